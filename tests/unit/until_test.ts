import { assertRejects } from "@std/assert";
import { promptly, within } from "../support/until.ts";

Deno.test("a wait that is in vain fails with what was waited for", async () => {
  await assertRejects(() => within(1, "Godot", new Promise(() => {})), Error, "Godot");
});

Deno.test("a deadline gives more time to a machine that is late itself", async () => {
  const slow = promptly(
    200,
    "what takes no longer than a machine that is late",
    new Promise((r) => setTimeout(r, 250)),
  );
  const until = performance.now() + 300;
  while (performance.now() < until);
  await slow;
});
