import { assertEquals } from "@std/assert";
import { cannotLoadGrpc, storeError } from "../../election/etcd/errors.ts";
import type { StoreError } from "../../election/store.ts";

function failureOf(message: string): string {
  return storeError(new Error(message), "http://etcd:2379").failure;
}

Deno.test("what only one member says of itself is a reason to ask another one", () => {
  for (
    const message of [
      "14 UNAVAILABLE: etcdserver: not capable",
      "9 FAILED_PRECONDITION: etcdserver: rpc not supported for learner",
      "14 UNAVAILABLE: etcdserver: rpc not supported for learner",
      "8 RESOURCE_EXHAUSTED: etcdserver: too many requests",
      "14 UNAVAILABLE: etcdserver: no leader",
      "9 FAILED_PRECONDITION: etcdserver: not leader",
      "14 UNAVAILABLE: etcdserver: leader changed",
      "14 UNAVAILABLE: etcdserver: request timed out",
      "13 INTERNAL: etcdserver: something is broken here",
      "2 UNKNOWN: etcdserver: something is broken here",
    ]
  ) assertEquals([message, failureOf(message)], [message, "unreachable"]);
});

Deno.test("what the cluster says is not", () => {
  for (
    const message of [
      "7 PERMISSION_DENIED: etcdserver: permission denied",
      "3 INVALID_ARGUMENT: etcdserver: authentication failed, invalid user ID or password",
      "3 INVALID_ARGUMENT: etcdserver: too many operations in txn request",
      "the watch was cancelled: rpc error: code = PermissionDenied desc = etcdserver: permission denied",
      "8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded",
    ]
  ) assertEquals([message, failureOf(message)], [message, "refused"]);
});

Deno.test("a gRPC client that cannot be loaded is hopeless, unless files can be opened again", () => {
  const hopeless = (text: string) => (cannotLoadGrpc(new Error(text)) as StoreError).hopeless;
  assertEquals(hopeless("Dynamic require of node:fs is not supported"), true);
  assertEquals(hopeless("EMFILE: too many open files, open 'grpc.js'"), false);
  assertEquals(storeError(new Error("14 UNAVAILABLE: connect ECONNREFUSED"), "http://a:1").hopeless, false);
});
