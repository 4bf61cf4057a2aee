/** `deno task demo [PORT]`: an etcd and three nodes, and a story of who leads. */
import { styleText } from "node:util";
import type { TermEndReason } from "../election/mod.ts";
import { END_REASON_TEXTS } from "../http/history.ts";
import { EtcdNotFoundError } from "./find_etcd.ts";
import { interrupted } from "./interrupted.ts";
import { LocalEtcd, portInUse } from "./local_etcd.ts";
import { type LogLine, NodeProcess } from "./node_process.ts";

const FIRST_PORT = 8080;
const COLORS = ["cyan", "magenta", "yellow"] as const;

const ENDED: Record<TermEndReason, string> = {
  stopped: "resigned",
  resigned: "resigned",
  expired: END_REASON_TEXTS.expired,
  "key-gone": END_REASON_TEXTS["key-gone"],
};

/** What was done to a node from outside, if it ended so, and whether it failed. */
export function howEnded(
  { code, signal }: Pick<Deno.CommandStatus, "code" | "signal">,
  leading: boolean,
  os: typeof Deno.build.os,
): { readonly killed?: string; readonly failed: boolean } {
  if (signal) return { killed: `killed by ${signal}`, failed: false };
  // Windows does not tell that a process was killed, but the code that it is given then. A leader has no reason to fail.
  if (os === "windows" && leading && code === 1) return { killed: "killed", failed: false };
  return { failed: code !== 0 };
}

/** How to end the leader, and to crash it. */
function endings(pid: number | undefined, os: typeof Deno.build.os): string {
  const crash = "crashes the leader: its watchdog revokes its lease, and another leads at once";
  if (os === "windows") return `taskkill /F /PID ${pid}    ${crash}`;
  return `kill ${pid}       ends the leader, which resigns: another leads in milliseconds
    kill -9 ${pid}    ${crash}`;
}

/** Who leads, and when somebody ceased to. */
class Story {
  /** Whether all are being stopped: nothing more is said of the leadership. */
  over = false;
  etcdEnded = false;
  /** Whether a node ended by itself, with an error. */
  failed = false;
  readonly #ports: readonly number[];
  readonly #onLeader: () => void;
  readonly #nodes = new Map<number, NodeProcess>();
  #leader: number | undefined;
  #lastLeader: number | undefined;
  /** When the last leader ceased to lead, by the wall clock. */
  #ceasedAt = 0;
  #why = "";
  /** A node that leads, as long as it is not known that the leader before it has ceased to. */
  #early: { readonly port: number; readonly at: number } | undefined;

  constructor(ports: readonly number[], onLeader: () => void) {
    this.#ports = ports;
    this.#onLeader = onLeader;
  }

  started(port: number, node: NodeProcess): void {
    this.#nodes.set(port, node);
  }

  /** A node's log line. */
  line(port: number, line: LogLine | string): void {
    if (typeof line === "string") return this.#say(port, line);
    const { time: _time, level, id: _id, event, ...fields } = line;
    const text = Object.entries(fields).map(([name, value]) => `${name}=${value}`).join(" ");
    const style = level === "error" ? "red" : level === "warn" ? "yellow" : event === "leading" ? "bold" : "reset";
    this.#say(port, `${styleText(style, event)} ${styleText("dim", text)}`);
    const at = Date.parse(line.time);
    if (event === "leading") this.#leads(port, at);
    if (event === "term-ended") this.#ceased(port, ENDED[line.reason as TermEndReason], at);
  }

  exited(port: number, status: Deno.CommandStatus): void {
    this.#nodes.delete(port);
    const { killed, failed } = howEnded(status, this.over || port === this.#leader, Deno.build.os);
    this.#say(port, killed ?? `ended with code ${status.code}`);
    if (killed) this.#ceased(port, `was ${killed}`, Date.now());
    this.failed ||= failed;
  }

  #ceased(port: number, why: string, at: number): void {
    if (this.#leader !== port || this.over) return;
    this.#leader = undefined;
    this.#lastLeader = port;
    this.#ceasedAt = at;
    this.#why = why;
    const heirs = [...this.#nodes.keys()].filter((one) => one !== port);
    const next = heirs.length === 0
      ? "nobody is left to lead"
      : this.etcdEnded
      ? "without etcd nobody can lead"
      : why.startsWith("was killed")
      ? "its watchdog revokes its lease"
      : "another takes over";
    tell(`The leader on port ${port} ${why}: ${next}.`);
    const early = this.#early;
    this.#early = undefined;
    if (early) this.#leads(early.port, early.at);
  }

  #leads(port: number, at: number): void {
    if (this.over) return;
    // The lines of two nodes may arrive in another order than they were written in.
    if (this.#leader !== undefined && this.#leader !== port) {
      this.#early = { port, at };
      return;
    }
    const from = this.#lastLeader;
    this.#leader = port;
    if (from === undefined) tell(`The node on port ${port} leads.`);
    else {
      const took = Math.max(0, at - this.#ceasedAt);
      const time = took < 1000 ? `${took.toFixed(0)} ms` : `${(took / 1000).toFixed(1)} s`;
      tell(`Leadership moved from port ${from}, which ${this.#why}, to port ${port} in ${time}.`);
    }
    const pid = this.#nodes.get(port)?.pid;
    print(`
  Try in another terminal:
    ${this.#ports.map((port) => `curl localhost:${port}`).join("; ")}
    http://127.0.0.1:${port} in a browser shows the election, live
    ${endings(pid, Deno.build.os)}
  Ctrl+C here ends everything.
`);
    this.#onLeader();
  }

  #say(port: number, text: string): void {
    const time = new Date().toISOString().slice(11, 23);
    print(`${styleText("dim", time)} ${styleText(COLORS[this.#ports.indexOf(port)]!, `node ${port} |`)} ${text}`);
  }
}

function tell(text: string): void {
  print(styleText(["bold", "green"], `>>> ${text}`));
}

function print(text: string): void {
  try {
    console.log(text);
  } catch {
    // The terminal is gone; what was started must be stopped all the same.
  }
}

/** What else the demo is given by who runs it as a part of something. */
export interface DemoOptions {
  /** Ends it. */
  readonly stop?: Promise<void>;
  /** Called when a node leads. */
  readonly onLeader?: () => void;
}

/** Runs the demo, and gives its exit code. */
export async function demo(
  [first = String(FIRST_PORT), ...others]: readonly string[],
  { stop = interrupted(), onLeader = () => {} }: DemoOptions = {},
): Promise<number> {
  if (others.length > 0 || !/^\d{4,5}$/.test(first) || Number(first) > 65533) {
    console.error("usage: deno task demo [PORT]: three nodes on PORT and the next two, expected from 1024 to 65533");
    return 2;
  }
  const ports = [0, 1, 2].map((offset) => Number(first) + offset);
  const taken = ports.filter(portInUse);
  if (taken.length > 0) {
    console.error(
      `demo: ${taken.length > 1 ? "ports" : "port"} ${taken.join(", ")} in use; ` +
        "stop what listens there, or choose others: deno task demo 9080",
    );
    return 1;
  }
  try {
    await using etcd = await LocalEtcd.start();
    tell(`etcd serves on ${etcd.endpoint}; starting nodes on ports ${ports.join(", ")}.`);
    return await runNodes(etcd, new Story(ports, onLeader), ports, stop) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof EtcdNotFoundError)) throw error;
    console.error(`demo: ${error.message}`);
    return 1;
  }
}

/** Runs the nodes until `stop`, or until none is left, and gives whether none of them failed. */
async function runNodes(
  etcd: LocalEtcd,
  story: Story,
  ports: readonly number[],
  stop: Promise<void>,
): Promise<boolean> {
  const nodes = ports.map((port) => {
    const flags = ["--port", String(port), "--hostname", "127.0.0.1", "--endpoints", etcd.endpoint, "--watchdog"];
    const node = new NodeProcess(flags, (line) => story.line(port, line));
    story.started(port, node);
    return { node, ended: node.died.then((status) => story.exited(port, status)).then(() => node.exited) };
  });
  etcd.exited.then(() => {
    story.etcdEnded = true;
    if (!story.over) {
      tell("etcd has ended: the leader leads on until its lease is over, at most 5 s, then nobody does.");
    }
  });
  const allEnded = Promise.all(nodes.map(({ ended }) => ended));
  await Promise.race([stop, allEnded]);
  story.over = true;
  tell("Stopping everything ...");
  for (const { node } of nodes) {
    node.kill("SIGCONT");
    node.kill("SIGTERM");
  }
  const late = setTimeout(() => nodes.forEach(({ node }) => node.kill("SIGKILL")), 5000);
  await allEnded;
  clearTimeout(late);
  tell("All nodes have ended, and so has the demo.");
  return !story.failed;
}

if (import.meta.main) Deno.exit(await demo(Deno.args));
