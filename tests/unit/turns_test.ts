import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { whenLate } from "../../election/etcd/turns.ts";

function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

Deno.test("an answer that does not come is late, once", async () => {
  const from = performance.now();
  let times = 0;
  await new Promise<void>((resolve) =>
    whenLate(50, () => {
      times++;
      resolve();
    })
  );
  assert(performance.now() - from >= 49);
  assertEquals(times, 1);
});

Deno.test("a deadline that has passed already makes late, and the runtime has nothing to complain about", async () => {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on("warning", note);
  await new Promise<void>((resolve) => whenLate(-30, resolve));
  await new Promise((resolve) => setTimeout(resolve, 0));
  process.off("warning", note);
  assertEquals(warnings, []);
});

Deno.test("an answer that comes is not late", async () => {
  const answered = whenLate(20, () => {
    throw new Error("late");
  });
  answered();
  await new Promise((resolve) => setTimeout(resolve, 60));
});

for (const [what, blockMs] of [["a little", 30], ["far", 300]] as const) {
  Deno.test(`an answer that waits in the socket is read, though the loop is ${what} too late`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using server = await listener.accept();
    let late = false;
    const answered = whenLate(20, () => late = true);
    // An answer takes some turns of the loop, as HTTP does.
    const reading = (async () => {
      for (let turn = 0; turn < 3; turn++) await client.read(new Uint8Array(1));
      answered();
    })();
    await server.write(new Uint8Array(3));
    block(blockMs);
    await reading;
    assertEquals(late, false);
  });
}
