/** Protobuf, as far as etcd's protocol needs it. 64-bit numbers are strings, enums their names. */
import { Buffer } from "node:buffer";
import { MAX_ELEMENTS } from "../limits.ts";
import { type EnumName, ENUMS, type Field, type MessageName, MESSAGES } from "./messages.ts";

type Value = Record<string, unknown>;

const [VARINT, FIXED64, DELIMITED, FIXED32] = [0, 1, 2, 5];

/** A message's bytes. Fields that are undefined are left out. */
export function encode(name: MessageName, message: Value): Buffer {
  const parts: Uint8Array[] = [];
  for (const [field, [id, type, repeated]] of Object.entries<Field>(MESSAGES[name])) {
    const given = message[field];
    if (given === undefined || given === null) continue;
    for (const value of repeated ? given as unknown[] : [given]) {
      const bytes = delimited(type, value);
      if (bytes) parts.push(varint(BigInt(id << 3 | DELIMITED)), varint(BigInt(bytes.length)), bytes);
      else parts.push(varint(BigInt(id << 3 | VARINT)), varint(integer(type, value)));
    }
  }
  return Buffer.concat(parts);
}

function delimited(type: Field[1], value: unknown): Uint8Array | undefined {
  if (type === "bytes") return value as Uint8Array;
  if (type === "string") return Buffer.from(String(value));
  if (type in MESSAGES) return encode(type as MessageName, value as Value);
}

function integer(type: Field[1], value: unknown): bigint {
  if (!(type in ENUMS)) return BigInt(value as string | number | bigint | boolean);
  const index = (ENUMS[type as EnumName] as readonly unknown[]).indexOf(value);
  if (index < 0) throw new RangeError(`${value} is no ${type}`);
  return BigInt(index);
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/**
 * The message of these bytes. Unknown fields are left out; of those that are absent, messages stay so, and others have
 * their default.
 *
 * @throws {RangeError} If the bytes are no such message, or it has too many elements.
 */
export function decode(name: MessageName, bytes: Uint8Array): Value {
  return decodeWithin({ left: MAX_ELEMENTS }, name, bytes);
}

/** How many elements may still come. */
interface Budget {
  left: number;
}

function decodeWithin(budget: Budget, name: MessageName, bytes: Uint8Array): Value {
  const { defaults, fields } = reading(name);
  const message = defaults();
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = Number(reader.varint());
    const field = fields.get(Math.floor(tag / 8));
    const isDelimited = (tag & 7) === DELIMITED;
    if (!field || isDelimited !== field.delimited || !isDelimited && (tag & 7) !== VARINT) {
      reader.skip(tag & 7);
      continue;
    }
    if (field.counts && --budget.left < 0) throw new RangeError(`more than ${MAX_ELEMENTS} elements in one answer`);
    const value = field.read(isDelimited ? reader.delimited() : reader.varint(), budget);
    if (field.repeated) (message[field.name] as unknown[]).push(value);
    else message[field.name] = value;
  }
  return message;
}

interface FieldReader {
  readonly name: string;
  readonly repeated: boolean;
  readonly delimited: boolean;
  /** Whether it takes memory each time that it occurs. */
  readonly counts: boolean;
  read(from: Uint8Array | bigint, budget: Budget): unknown;
}

interface MessageReader {
  defaults(): Value;
  readonly fields: ReadonlyMap<number, FieldReader>;
}

const readers = new Map<MessageName, MessageReader>();

function reading(name: MessageName): MessageReader {
  let reader = readers.get(name);
  if (!reader) readers.set(name, reader = makeReader(name));
  return reader;
}

function makeReader(name: MessageName): MessageReader {
  const fields = new Map<number, FieldReader>();
  const scalars: Value = {};
  const lists: string[] = [];
  for (const [field, [id, type, repeated]] of Object.entries<Field>(MESSAGES[name])) {
    const isMessage = type in MESSAGES;
    const delimited = isMessage || type === "bytes" || type === "string";
    if (repeated) lists.push(field);
    else if (!isMessage) scalars[field] = readerOf(type)(delimited ? new Uint8Array() : 0n, { left: 0 });
    const counts = isMessage || !!repeated;
    fields.set(id, { name: field, repeated: !!repeated, delimited, counts, read: readerOf(type) });
  }
  const defaults = () => {
    const message = { ...scalars };
    for (const list of lists) message[list] = [];
    return message;
  };
  return { defaults, fields };
}

/** How a value of a type is read. */
function readerOf(type: Field[1]): FieldReader["read"] {
  if (type in MESSAGES) return (bytes, budget) => decodeWithin(budget, type as MessageName, bytes as Uint8Array);
  if (type in ENUMS) {
    const names: readonly string[] = ENUMS[type as EnumName];
    return (number) => names[Number(number)] ?? Number(number);
  }
  switch (type) {
    case "bytes":
      return (bytes) => bytes;
    case "string":
      return (bytes) => Buffer.from(bytes as Uint8Array).toString();
    case "bool":
      return (number) => number !== 0n;
    case "int64":
      return (number) => String(BigInt.asIntN(64, number as bigint));
    default:
      return (number) => String(number);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** An unsigned number of up to 64 bits. */
  varint(): bigint {
    // As long as they are exact, numbers are faster.
    let small = 0;
    for (let index = 0; index < 7; index++) {
      const byte = this.#byte();
      small += (byte & 127) * 2 ** (7 * index);
      if (byte < 128) return BigInt(small);
    }
    let number = BigInt(small);
    for (let index = 7; index < 10; index++) {
      const byte = this.#byte();
      number |= BigInt(byte & 127) << BigInt(7 * index);
      if (byte < 128) return BigInt.asUintN(64, number);
    }
    throw new RangeError("a number of more than 64 bits");
  }

  delimited(): Uint8Array {
    return this.#take(Number(this.varint()));
  }

  skip(wireType: number): void {
    if (wireType === VARINT) this.varint();
    else if (wireType === DELIMITED) this.delimited();
    else if (wireType === FIXED64) this.#take(8);
    else if (wireType === FIXED32) this.#take(4);
    else throw new RangeError(`unknown wire type ${wireType}`);
  }

  #byte(): number {
    return this.#bytes[this.#at++] ?? tooShort();
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) tooShort();
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

function tooShort(): never {
  throw new RangeError("the message ends too early");
}
