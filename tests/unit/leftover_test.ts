import { assertEquals, assertMatch } from "@std/assert";
import { candidateOf, keyEvent } from "../../election/etcd/codec.ts";
import { keyValue } from "../../election/etcd/gateway/json.ts";
import type { ElectionStatus } from "../../election/mod.ts";
import { leaderProblem, membersText, readiness } from "../../http/answers.ts";
import { History } from "../../http/history.ts";
import { compare } from "../../cli/inspect/status.ts";
import { membersTable } from "../../cli/inspect/members.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const kv = { key: bytes("jobs/7"), value: bytes("x"), create_revision: "7", mod_revision: "7" };
const TEXT = "no lease: this key never expires; delete it with: etcdctl del jobs/7";

const leftover = candidateOf({ ...kv, lease: "0" });
const other = candidateOf({ ...kv, key: bytes("jobs/8"), create_revision: "8", lease: "123" });
const leader = { id: leftover.id, token: 7n };
const status: ElectionStatus = { state: { role: "follower", leader }, queue: [leftover, other], inQueue: true };

Deno.test("a key without a lease is known as such, by list, by event and by gateway", () => {
  assertEquals([leftover.leaseless, other.leaseless], [true, undefined]);
  const { change } = keyEvent(false, { ...kv, lease: "0" });
  assertEquals(change.type === "put" && change.candidate.leaseless, true);
  // The gateway omits a zero.
  assertEquals([keyValue({}).lease, keyValue({ lease: "123" }).lease], ["0", "123"]);
});

Deno.test("a leftover key is named with the command that deletes it, and its node is not ready", () => {
  assertEquals([leaderProblem(status.queue, 7n), leaderProblem(status.queue, 8n)], [TEXT, undefined]);
  const { members }: { members: { problem: string | null }[] } = JSON.parse(membersText(status));
  assertEquals(members.map(({ problem }) => problem), [TEXT, null]);
  const node = { id: "a", url: "http://a", version: "1", history: new History(), status };
  assertEquals(readiness(node).ready, false);
  assertEquals(readiness(node).lines[2], `[-] the leader is x, ${TEXT}`);
  assertEquals(readiness({ ...node, status: { ...status, queue: [other, leftover] } }).lines[2]!.slice(0, 3), "[+]");
  assertEquals(compare(status, []).doubts, [`x: ${TEXT}`]);
  assertMatch(membersTable(status, { colours: false }), new RegExp(`\\n\\nx: ${TEXT}$`));
});
