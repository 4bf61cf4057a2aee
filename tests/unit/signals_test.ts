import { assertEquals } from "@std/assert";
import { isIgnored } from "../../cli/signals.ts";

Deno.test("whether a signal is ignored is read from the process's status", () => {
  const status = "Name:\tdeno\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\tffffffffffffffff\n";
  assertEquals([1, 2, 12, 13, 14].map((number) => isIgnored(status, number)), [true, false, false, true, false]);
  assertEquals(isIgnored("", 1), false);
});
