import { assertEquals } from "@std/assert";
import { within } from "../support/until.ts";
import { rehearse } from "../../election/rehearsal.ts";

Deno.test("a rehearsal goes through a handoff on both sides", async () => {
  const { roles, transactions } = await rehearse();
  assertEquals(roles, ["connecting", "follower", "leader", "follower", "stopped"]);
  const operations = transactions.map(({ success }) => success.flatMap((operation) => Object.keys(operation)));
  assertEquals(operations, [
    ["request_put", "request_range"],
    // The guard of the new leader.
    ["request_range"],
    ["request_delete_range", "request_put"],
  ]);
});

Deno.test("a rehearsal during which the machine sleeps ends all the same", async () => {
  const { now } = performance;
  try {
    for (const question of [8, 12, 16]) {
      let asked = 0;
      performance.now = () => now.call(performance) + (++asked >= question ? 100_000 : 0);
      const { roles } = await within(5000, "its end", rehearse(100));
      assertEquals(roles.at(-1), "stopped");
    }
  } finally {
    performance.now = now;
  }
});
