import { assertEquals } from "@std/assert";
import type { Candidate } from "../../election/mod.ts";
import { History } from "../../http/history.ts";

Deno.test("a history keeps the reason of the moment, and is not endless", () => {
  const history = new History();
  const of = (token: bigint, leaving?: "resigned", after?: Candidate["after"]) => {
    return { key: `${token}`, token, id: `n${token}`, leaving, after };
  };
  const at = (second: number) => new Date(second * 1000);
  history.update([], at(1));
  history.update([of(2n), of(3n)], at(2));
  history.update([of(2n, "resigned"), of(3n)], at(3));
  history.update([of(3n)], at(4));
  history.update([], at(5));
  assertEquals(history.terms.map(({ token, from, to, ended }) => [token, from, to, ended]), [
    [2n, at(2), at(4), "resigned"],
    [3n, at(4), at(5), "unknown"],
  ]);
  const other = new History();
  other.update([of(2n), of(3n)], at(1));
  other.update([of(3n, undefined, { token: 2n, left: "switchover" })], at(2));
  other.update([of(4n, undefined, { token: 2n, left: "resigned" })], at(3));
  assertEquals(other.terms.map(({ ended }) => ended), ["switchover", "unknown", undefined]);
  const own = new History();
  own.update([of(7n)], at(1));
  own.ownTermEnded(7n, "expired", at(2));
  own.update([of(7n), of(8n)], at(3));
  own.ownTermBegan(7n, at(4));
  own.update([of(8n)], at(5));
  assertEquals(own.terms.map(({ token, to, ended }) => [token, to, ended]), [
    [7n, at(2), "expired"],
    [7n, at(5), "unknown"],
    [8n, undefined, undefined],
  ]);
  const leaving = new History();
  leaving.update([of(7n)], at(1));
  leaving.update([of(7n, "resigned")], at(1));
  leaving.ownTermEnded(7n, "expired", at(2));
  assertEquals(leaving.terms.map(({ to, ended }) => [to, ended]), [[at(2), "resigned"]]);
  const handedOver = new History();
  handedOver.update([of(7n), of(8n)], at(1));
  handedOver.ownTermEnded(7n, "resigned", at(2));
  handedOver.update([of(8n, undefined, { token: 7n, left: "switchover" })], at(3));
  assertEquals(handedOver.terms.map(({ to, ended }) => [to, ended]), [[at(2), "switchover"], [undefined, undefined]]);
  const next = new History();
  next.update([of(1n), of(2n)], at(1));
  next.update([of(2n)], at(2));
  next.ownTermBegan(1n, at(3));
  next.ownTermBegan(2n, at(3));
  assertEquals(next.terms.map(({ from, to }) => [from, to]), [[undefined, at(2)], [at(3), undefined]]);
  for (let token = 4n; token < 1000n; token++) history.update([of(token)]);
  assertEquals([history.terms.length, history.changes], [200, 997]);
});
