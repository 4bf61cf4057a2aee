import { assertEquals, assertThrows } from "@std/assert";
import { Random } from "../simulation/random.ts";
import { type Operation, START, whyNotLinearizable } from "../support/linearizable.ts";

const write = (value: string, after: string, invokedAt: number, returnedAt = Infinity): Operation => {
  return { type: "write", value, after, invokedAt, returnedAt };
};
const read = (values: string, invokedAt: number, returnedAt = Infinity): Operation => {
  return { type: "read", values: values.split(" ").filter(Boolean), invokedAt, returnedAt };
};

/** Checks a history as one of a list, and, with the last value of each read, as one of a register. */
function judge(linearizable: boolean, ...history: readonly Operation[]): void {
  const asRegister = history.map((operation) => {
    return operation.type === "read" ? { ...operation, values: operation.values.slice(-1) } : operation;
  });
  for (const [kind, seen] of [["register", asRegister], ["list", history]] as const) {
    for (const inAnyOrder of [seen, seen.toReversed()]) {
      assertEquals(whyNotLinearizable(kind, inAnyOrder) === undefined, linearizable);
    }
  }
}

Deno.test("operations one after another are linearizable", () => {
  judge(true);
  judge(true, read("", 0, 1), write("a", START, 2, 3), read("a", 4, 5), write("b", "a", 6, 7), read("a b", 8, 9));
});

Deno.test("operations at the same time may happen in any order", () => {
  judge(true, write("b", "a", 0, 9), write("a", START, 0, 9), read("a b", 0, 9), read("a", 0, 9), read("", 0, 9));
  judge(true, write("a", START, 0, 9), read("a", 1, 2), read("a", 3, 4));
});

Deno.test("a read of what was replaced before is stale", () => {
  const writes = [write("a", START, 0, 1), write("b", "a", 2, 4)];
  judge(true, ...writes, read("a", 3, 6));
  judge(false, ...writes, read("a", 5, 6));
  judge(false, ...writes, read("", 5, 6));
});

Deno.test("nobody sees what is written later, or goes back to what was there before", () => {
  judge(false, read("a", 0, 1), write("a", START, 2, 3));
  const writes = [write("a", START, 0, 1), write("b", "a", 2, 9)];
  judge(true, ...writes, read("a", 3, 4), read("a b", 5, 6));
  judge(false, ...writes, read("a b", 3, 4), read("a", 5, 6));
});

Deno.test("a write is lost if another one follows the same value", () => {
  judge(false, write("a", START, 0, 9), write("b", START, 1, 2));
  judge(false, write("a", START, 0, 1), write("b", "a", 2, 3), write("c", "a", 4, 5));
});

Deno.test("a write that follows a later one is not linearizable", () => {
  judge(false, write("b", "a", 0, 1), write("a", START, 3, 4));
  judge(false, write("a", "b", 0, 9), write("b", "a", 0, 9));
});

Deno.test("a write whose outcome is unknown happened at any time, or never", () => {
  const [a, b] = [write("a", START, 0), write("b", START, 1)];
  judge(true, a, b);
  judge(true, a, read("", 5, 6), read("a", 7, 8));
  judge(true, a, b, read("b", 5, 6));
  judge(true, a, write("c", "a", 5, 6));
  judge(false, a, write("c", "a", 5, 6), read("", 7, 8));
  judge(false, write("b", START, 3), read("b", 1, 2));
  judge(false, a, b, read("a", 5, 6), read("b", 7, 8));
});

Deno.test("an unknown read says nothing", () => judge(true, write("a", START, 0, 1), read("x", 2)));

Deno.test("what was refused, or never asked for, is not there", () => {
  judge(false, write("a", START, 0, 1), read("x", 2, 3));
  judge(false, write("a", "x", 0, 1));
  assertEquals(whyNotLinearizable("list", [read("x", 2, 3)]), '"x" is there and nobody wrote it');
});

Deno.test("a list keeps all that was appended, in its order", () => {
  const appended = [write("a", START, 0, 1), write("b", "a", 2, 3)];
  for (const values of ["b", "b a b", "a a b"]) {
    const why = whyNotLinearizable("list", [...appended, read(values, 4, 5)]);
    assertEquals(why, `the read of "b" found other values before it`);
  }
});

Deno.test("values that are written twice cannot be checked", () => {
  assertThrows(() => whyNotLinearizable("register", [write("a", START, 0, 1), write("a", START, 2, 3)]));
});

Deno.test("of 5000 small histories it says what a search through all orders says", () => {
  const random = new Random(1);
  const found = { true: 0, false: 0 };
  for (let round = 0; round < 5000; round++) {
    const history = Array.from({ length: 5 }, (_, index) => {
      const at = Math.floor(random.between(0, 8));
      const end = random.chance(0.3) ? Infinity : at + Math.floor(random.between(0, 30));
      if (random.chance(0.5)) return read(random.pick(["", "0", "1", "2"]), at, end);
      return write(String(index), random.pick([START, START, "0", "1", "2"]), at, end);
    });
    const expected = search("", history);
    assertEquals(whyNotLinearizable("register", history) === undefined, expected, JSON.stringify(history));
    found[`${expected}`]++;
  }
  assertEquals(Object.values(found).every((count) => count > 300), true, JSON.stringify(found));
});

/** Whether some order of a register's operations explains what was seen: the search of Wing & Gong. */
function search(value: string, left: readonly Operation[]): boolean {
  return left.every(({ returnedAt }) => returnedAt === Infinity) || left.some((operation) => {
    if (left.some(({ returnedAt }) => returnedAt < operation.invokedAt)) return false;
    if ((operation.type === "read" ? operation.values.at(-1) ?? START : operation.after) !== value) return false;
    const rest = left.filter((other) => other !== operation);
    return search(operation.type === "read" ? value : operation.value, rest);
  });
}
