import { assertEquals } from "@std/assert";
import { isIgnored, stopSignal, stopSignals } from "../../cli/signals.ts";

Deno.test("whether a signal is ignored is read from the process's status", () => {
  const status = "Name:\tdeno\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\tffffffffffffffff\n";
  assertEquals([1, 2, 12, 13, 14].map((number) => isIgnored(status, number)), [true, false, false, true, false]);
  assertEquals(isIgnored("", 1), false);
});

Deno.test("a second stop signal means the same within half a second, and an end at once after it; a third nothing", () => {
  const first = stopSignal({}, 1000);
  assertEquals(first.order, "stop");
  const same = stopSignal(first.next, 1500);
  assertEquals(same.order, "ignore");
  const later = stopSignal(same.next, 1501);
  assertEquals(later.order, "exit");
  assertEquals(stopSignal(later.next, 9000).order, "ignore");
});

Deno.test("the stop signals are those that a system can send, on Windows also Ctrl+Break but not SIGQUIT", () => {
  assertEquals(Object.keys(stopSignals("windows")), ["SIGHUP", "SIGINT", "SIGTERM", "SIGBREAK"]);
  for (const os of ["linux", "darwin"] as const) {
    assertEquals(Object.keys(stopSignals(os)), ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"]);
  }
});
