/**
 * Makes an object, or an array and its objects, safe for `JSON.stringify`, which throws at a bigint: they become strings
 * of digits. The method is not enumerable, so that the object still equals, and is printed like, one without it. To
 * define it takes a microsecond, so an object that has it is left as it is.
 */
export function withJson<T extends object>(value: T): T {
  if (Object.hasOwn(value, "toJSON")) return value;
  if (Array.isArray(value)) { for (const element of value) if (Object.isExtensible(element)) withJson(element); }
  return Object.defineProperty(value, "toJSON", METHOD);
}

const METHOD: PropertyDescriptor = { value: toJSON, configurable: true };

function toJSON(this: object): unknown {
  return Array.isArray(this) ? this.map(plain) : fields(this);
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null || "toJSON" in value) return value;
  if (value instanceof Error) return { name: value.name, message: value.message };
  return Array.isArray(value) ? value.map(plain) : fields(value);
}

function fields(value: object): object {
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}
