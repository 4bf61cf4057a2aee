import { assertEquals } from "@std/assert";
import { Equivalents } from "../../dev/mutate/equivalents.ts";
import { applyMutant, mutantsOf } from "../../dev/mutate/mutants.ts";

const changes = (source: string) => mutantsOf("a.ts", source).map((mutant) => applyMutant(source, mutant));

Deno.test("a condition is mutated in all ways: boundary, operand, constant, truth", () => {
  assertEquals(changes("if (a > 1 && b) c();"), [
    "if ((true as boolean)) c();",
    "if ((false as boolean)) c();",
    "if (!(a > 1 && b)) c();",
    "if ((a > 1)) c();",
    "if ((b)) c();",
    "if (a >= 1 && b) c();",
    "if (a <= 1 && b) c();",
    "if (a > 2 && b) c();",
    "if (a > 0 && b) c();",
    "if (a > 1 && b) ;",
  ]);
});

Deno.test("an object loses its properties, a bound its arms, a function its result", () => {
  assertEquals(changes("f = () => ({ ...a, b })"), [
    ";",
    "f = () => (undefined as never)",
    "f = () => ({  b })",
    "f = () => ({ ...a,  })",
    "f = () => ({ ...a, b: undefined as never })",
  ]);
  assertEquals(changes("const m = Math.min(a, b);"), [
    "const m = (a);",
    "const m = (b);",
    "const m = Math.max(a, b);",
  ]);
});

Deno.test("a lease's time is mistaken for another", () => {
  assertEquals(changes("const m = remaining(lease.sentAt, lease.ttlMs);"), [
    "const m = remaining(now, lease.ttlMs);",
    "const m = remaining(lease.sentAt, core.settings.ttlMs);",
  ]);
});

Deno.test("types and imports are left alone", () => {
  assertEquals(changes(`import a from "a"; type B = "b"; interface C { c: 1 } let d: 2 | undefined;`), []);
});

Deno.test("a mutant is told from others of the same text, and its line may move", () => {
  const keys = (source: string) => mutantsOf("a.ts", source).map(({ key }) => key);
  assertEquals(keys("break;"), ["a.ts | break; | [statement dropped] break; => ;"]);
  assertEquals(keys("\n\n  break;\nbreak;"), [...keys("break;"), `${keys("break;")} (2)`]);
});

Deno.test("an equivalent that no mutant has that survived is stale", () => {
  const equivalents = new Equivalents("A reason.\n  a\n  b\nAnother.\n  c\n");
  assertEquals(["a", "c", "d", "A reason."].map((key) => equivalents.take(key)), [true, true, false, false]);
  assertEquals(equivalents.untaken, ["b"]);
});
