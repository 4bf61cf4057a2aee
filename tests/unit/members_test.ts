import { assert, assertEquals } from "@std/assert";
import type { Candidate, ElectionStatus } from "../../election/mod.ts";
import { membersText, statusBody } from "../../http/answers.ts";
import { History } from "../../http/history.ts";

type Meta = Record<string, string>;

/** A queue of candidates that say this about themselves, as it is seen by an observer. */
function statusOf(metas: readonly (Meta | undefined)[]): ElectionStatus {
  const queue = metas.map((meta, index): Candidate => ({
    key: `jobs/${index}`,
    token: BigInt(index + 1),
    id: "a",
    meta,
  }));
  return { state: { role: "follower", leader: { ...queue[0]!, token: 1n } }, queue, inQueue: true };
}

const shown = (status: ElectionStatus): (Meta | null)[] =>
  JSON.parse(membersText(status)).members.map(({ meta }: { meta: Meta | null }) => meta);

/** As JSON, it has so many characters. */
const long = (length: number): Meta => ({ a: "x".repeat(length - `{"a":""}`.length) });

Deno.test("answers show what candidates say about themselves, and of the leader in the status", () => {
  const status = statusOf([{ zone: "b" }, undefined, { zone: "c", version: "1" }]);
  assertEquals(shown(status), [{ zone: "b" }, null, { zone: "c", version: "1" }]);
  const node = { id: "a", url: "http://a", version: "1", history: new History(), status };
  assertEquals(statusBody(node).leader_meta, { zone: "b" });
  assertEquals(statusBody({ ...node, status: statusOf([long(4097)]) }).leader_meta, null);
});

Deno.test("what is too long is left out, so that answers stay small", () => {
  assertEquals(shown(statusOf([long(4096), long(4097), long(9)])), [long(4096), null, long(9)]);
  const many = statusOf(Array(1000).fill(long(4096)));
  assertEquals(shown(many).map((meta) => meta !== null), [...Array(16).fill(true), ...Array(84).fill(false)]);
  assert(membersText(many).length < 100_000);
});
