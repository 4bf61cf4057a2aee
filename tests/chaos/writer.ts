/**
 * `writer.ts ENDPOINTS ELECTION FILE ID`: a candidate that, while it leads, writes registers and lists in etcd and in an
 * SQLite file, and that reads them all the while. It loads what is there when its term begins and builds on what it
 * remembers, so that what somebody else writes in between is lost. After SIGUSR2 it stops itself between its next check
 * whether it leads and the writes that follow, until SIGCONT.
 */
import { Etcd3, type IOptions } from "etcd3";
import { DatabaseSync } from "node:sqlite";
import { Election, type Term } from "../../election/mod.ts";
import { START } from "../support/linearizable.ts";
import { transport } from "../support/transport.ts";
import { nameOf, OBJECTS, type SharedObject, type Told } from "./objects.ts";
import { sleep } from "./sleep.ts";

const [endpoints, name, file, id] = Deno.args as [string, string, string, string];

/** A write that was sent twice could be told to be refused although it was done. */
const once = { execute: async (run: (context: unknown) => unknown) => await run({}) } as unknown as NonNullable<
  NonNullable<IOptions["faultHandling"]>["global"]
>;
const etcd = new Etcd3({
  hosts: endpoints.split(","),
  faultHandling: { global: once, host: () => once },
  defaultCallOptions: () => ({ deadline: Date.now() + 1000 }),
});

const db = new DatabaseSync(file);
db.exec("PRAGMA busy_timeout = 10000; PRAGMA synchronous = OFF");
db.exec("CREATE TABLE IF NOT EXISTS objects (name TEXT PRIMARY KEY, text TEXT NOT NULL, token INTEGER NOT NULL)");
for (const object of OBJECTS) db.prepare("INSERT OR IGNORE INTO objects VALUES (?, '', 0)").run(nameOf(object));
const select = db.prepare("SELECT text FROM objects WHERE name = ?");
const claim = db.prepare("UPDATE objects SET token = ? WHERE name = ? AND token <= ?");
const update = db.prepare("UPDATE objects SET text = ?, token = ? WHERE name = ? AND token <= ?");
const overwrite = db.prepare("UPDATE objects SET text = ? WHERE name = ?");

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
});

/** Microseconds by CLOCK_MONOTONIC, the same for all processes; Deno's `process.hrtime` begins anew in each. */
function now(): number {
  const time = new BigInt64Array(2);
  libc.clock_gettime(1, time);
  return Number(time[0]) * 1e6 + Number(time[1]) / 1e3;
}

/** At once: what was told is told, even if the process is killed right after. */
function tell(told: Told): void {
  const line = new TextEncoder().encode(JSON.stringify(told) + "\n");
  for (let sent = 0; sent < line.length;) sent += Deno.stderr.writeSync(line.subarray(sent));
}

const etcdKey = (object: SharedObject) => `objects/${name}/${nameOf(object)}`;

async function read(object: SharedObject): Promise<string[]> {
  const invokedAt = now();
  const text = object.store === "etcd"
    ? await etcd.get(etcdKey(object)).string() ?? ""
    : String(select.get(nameOf(object))!.text);
  const values = text.split(" ").filter(Boolean);
  tell({ type: "read", object: nameOf(object), values, invokedAt, returnedAt: now() });
  return values;
}

/** Whether the write was done. */
async function write(object: SharedObject, text: string, { guard, token }: Term): Promise<boolean> {
  if (object.store === "etcd") {
    const put = etcd.put(etcdKey(object)).value(text);
    if (object.fenced) return (await etcd.if(...guard).then(put).commit()).succeeded;
    await put;
    return true;
  }
  if (object.fenced) return update.run(text, token, nameOf(object), token).changes === 1;
  return overwrite.run(text, nameOf(object)).changes === 1;
}

let freezes = false;
Deno.addSignalListener("SIGUSR2", () => freezes = true);
Deno.addSignalListener("SIGCONT", () => freezes = false);

function freeze(): void {
  freezes = false;
  Deno.kill(Deno.pid, "SIGSTOP");
  // Another thread may take the signal, a moment later.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
}

let count = 0;

async function lead(term: Term): Promise<void> {
  // Before it reads what it builds on: from here on, no former leader writes.
  for (const object of OBJECTS) if (object.store === "sqlite") claim.run(term.token, nameOf(object), term.token);
  const remembered = new Map<SharedObject, string[]>();
  for (const object of OBJECTS) remembered.set(object, await read(object));
  for (let refused = false; !refused;) {
    const value = `${id}${++count}`;
    const [key, token] = [term.guard[0], Number(term.token)];
    for (const object of OBJECTS) {
      const after = remembered.get(object)!.at(-1) ?? START;
      tell({ type: "invoked", object: nameOf(object), value, after, at: now(), key, token });
    }
    term.assert();
    if (freezes) freeze();
    await Promise.all(OBJECTS.map(async (object) => {
      const values = [...object.kind === "list" ? remembered.get(object)! : [], value];
      const done = await write(object, values.join(" "), term);
      tell({ type: done ? "done" : "refused", object: nameOf(object), value, at: now() });
      if (done) remembered.set(object, values);
      else refused = true;
    }));
    await sleep(20);
  }
}

async function look(): Promise<never> {
  for (;;) {
    for (const object of OBJECTS) await read(object).catch(() => {});
    await sleep(50);
  }
}

look();
for (let candidacy = 0;; candidacy++) {
  const candidate = { id: `${id}.${candidacy}` };
  await using election = new Election({ name, endpoints: endpoints.split(","), ttlSeconds: 2, transport, candidate });
  try {
    for await (const state of election) if (state.role === "leader") await lead(state.term);
  } catch {
    // A write whose outcome is unknown may still be done, as long as our key is there: only with another key is it over.
  }
}
