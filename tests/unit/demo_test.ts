import { assertEquals } from "@std/assert";
import { howEnded } from "../../dev/demo.ts";

Deno.test("a node of the demo that was killed has not failed, also on Windows, which does not tell of it", () => {
  const killed = { code: 137, signal: "SIGKILL" } as const;
  assertEquals(howEnded(killed, false, "linux"), { killed: "killed by SIGKILL", failed: false });
  const terminated = { code: 1, signal: null };
  assertEquals(howEnded(terminated, true, "windows"), { killed: "killed", failed: false });
  assertEquals(howEnded(terminated, false, "windows"), { failed: true });
  assertEquals(howEnded(terminated, true, "darwin"), { failed: true });
  assertEquals(howEnded({ code: 2, signal: null }, true, "windows"), { failed: true });
  assertEquals(howEnded({ code: 0, signal: null }, true, "windows"), { failed: false });
});
