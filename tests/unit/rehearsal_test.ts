import { assertEquals } from "@std/assert";
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
