/** Our messages and their bytes, by the `rpc.proto` of etcd3 and by protobufjs, with which etcd3 itself reads it. */
import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import protobuf from "protobufjs";
import { fileURLToPath } from "node:url";
import { ENUMS, type Field, type MessageName, MESSAGES, METHODS } from "../../election/etcd/grpc/messages.ts";
import { decode, encode } from "../../election/etcd/grpc/wire.ts";
import { fromJson } from "../../election/etcd/gateway/json.ts";
import { MAX_ELEMENTS } from "../../election/etcd/limits.ts";

const file = fileURLToPath(new URL("../proto/rpc.proto", import.meta.resolve("etcd3")));
const root = new protobuf.Root().loadSync(file, { keepCase: true }).resolveAll();

/** etcd's type of that name; nested ones, and those of other packages, too. */
function theirs(name: string, within: protobuf.NamespaceBase = root): protobuf.ReflectionObject | undefined {
  for (const one of within.nestedArray) {
    if (one.name === name && !(one instanceof protobuf.Service)) return one;
    const found = one instanceof protobuf.Namespace && theirs(name, one);
    if (found) return found;
  }
}

const names = Object.keys(MESSAGES) as MessageName[];

Deno.test("messages, enums and methods are those of etcd3's rpc.proto", () => {
  for (const name of names) {
    const fields = (theirs(name) as protobuf.Type).fieldsArray.map(({ name, id, type, repeated }) => {
      const field = [id, type.split(".").at(-1), ...repeated ? ["repeated"] : []];
      return [name, field];
    });
    assertEquals(MESSAGES[name], Object.fromEntries(fields), name);
  }
  for (const [name, values] of Object.entries(ENUMS)) {
    assertEquals(
      { ...(theirs(name) as protobuf.Enum).values },
      Object.fromEntries(values.map((value, id) => [value, id])),
    );
  }
  for (const [name, [path, request, response, streams]] of Object.entries(METHODS)) {
    const [service, method] = path.split("/") as [string, string];
    const { requestType, responseType, requestStream, responseStream } = root.lookupService(`etcdserverpb.${service}`)
      .methods[method]!;
    assertEquals(
      { requestType, responseType, requestStream: !!requestStream, responseStream: !!responseStream },
      { requestType: request, responseType: response, requestStream: !!streams, responseStream: !!streams },
      name,
    );
  }
});

/** Values of each type, with those at the edges. */
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  int64: ["1", "-1", "127", "128", "562949953421311", "562949953421312", "9223372036854775807", "-9223372036854775808"],
  uint64: ["1", "300", "9223372036854775808", "18446744073709551615"],
  bool: [true],
  bytes: [Buffer.from([0, 255, 128]), Buffer.alloc(300, 7)],
  string: ["a", "größer 🦕", "x".repeat(200)],
};

/** A message in which each field has a value, nested ones to a depth. */
function filled(name: MessageName, round: number, depth = 3): Record<string, unknown> {
  const value = (type: Field[1]): unknown => {
    if (type in MESSAGES) return filled(type as MessageName, round, depth - 1);
    const values: readonly unknown[] = type in ENUMS ? ENUMS[type as keyof typeof ENUMS] : VALUES[type]!;
    return values[round % values.length];
  };
  return Object.fromEntries(
    Object.entries<Field>(MESSAGES[name]).flatMap(([field, [, type, repeated]]) => {
      if (depth === 0 && type in MESSAGES) return repeated ? [[field, []]] : [];
      return [[field, repeated ? [value(type), value(type)] : value(type)]];
    }),
  );
}

Deno.test("bytes are read by protobufjs as they were meant, and its bytes are read here", () => {
  const options = { longs: String, enums: String, bytes: Buffer, arrays: true };
  for (const name of names) {
    const type = theirs(name) as protobuf.Type;
    for (let round = 0; round < 8; round++) {
      const message = filled(name, round);
      const bytes = encode(name, message);
      assertEquals(type.toObject(type.decode(bytes), options), message, name);
      const back = Buffer.from(type.encode(type.fromObject(message)).finish());
      // protobufjs packs lists of enums, which etcd never sends.
      if (name !== "WatchRequest" && name !== "WatchCreateRequest") assertEquals(decode(name, back), message, name);
    }
  }
});

Deno.test("what is absent has its default; messages stay absent; unknown fields are left out", () => {
  assertEquals(decode("LeaseGrantResponse", Buffer.alloc(0)), { ID: "0", TTL: "0", error: "" });
  assertEquals(decode("RangeResponse", Buffer.alloc(0)), { kvs: [], more: false, count: "0" });
  assertEquals(decode("Event", Buffer.from([8, 9])), { type: 9 });
  // Numbers 15 and 16 of every wire type: varint, 8 bytes, a string, 4 bytes.
  const unknown = [120, 1, 121, ...Array(8).fill(1), 130, 1, 2, 65, 66, 125, 1, 1, 1, 1];
  assertEquals(decode("LeaseRevokeRequest", Buffer.from([...unknown, 8, 5])), { ID: "5" });
  // A field of another wire type than it should have.
  assertEquals(decode("LeaseRevokeRequest", Buffer.from([10, 1, 5])), { ID: "0" });
});

Deno.test("bytes that are no message are refused", () => {
  for (const bytes of [[8], [8, 128], [10, 5, 1], [11], [12], [8, ...Array(10).fill(255), 1], [121, 1]]) {
    assertThrows(() => decode("LeaseGrantResponse", Buffer.from(bytes)), RangeError);
  }
  assertThrows(() => encode("Compare", { result: "Nearly" }), RangeError, "Nearly is no CompareResult");
});

Deno.test("an answer of more elements than there can be is refused, before it fills the memory", () => {
  // Field 2, a list of keys, and field 1, the header: each of no bytes.
  for (const field of [18, 10]) {
    const many = (count: number) => Buffer.alloc(2 * count, Uint8Array.of(field, 0));
    const { kvs } = decode("RangeResponse", many(MAX_ELEMENTS));
    assertEquals((kvs as unknown[]).length, field === 18 ? MAX_ELEMENTS : 0);
    assertThrows(() => decode("RangeResponse", many(MAX_ELEMENTS + 1)), RangeError, "more than 200000 elements");
  }
  // They count at any depth: each answer of a transaction has some.
  const field = (number: number, { length }: Buffer) =>
    Buffer.of(number << 3 | 2, ...[0, 7, 14].map((bits) => length >> bits & 127 | 128), length >> 21);
  const kvs = Buffer.alloc(MAX_ELEMENTS, Uint8Array.of(18, 0));
  const range = Buffer.concat([field(1, kvs), kvs]);
  const response = Buffer.concat([field(3, range), range]);
  assertThrows(() => decode("TxnResponse", Buffer.concat([response, response])), RangeError, "200000 elements");
  const json = (commas: number) => `{"key":"${",".repeat(commas)}"}`;
  assertEquals(String(fromJson(json(1_600_000))!.key).length, 1_600_000);
  assertThrows(() => fromJson(json(1_600_001)), Error, "14 UNAVAILABLE: the server sent more than 200000 elements");
});
