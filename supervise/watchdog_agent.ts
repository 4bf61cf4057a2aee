import { killTree, signalTree } from "./marked_processes.ts";
import type { Log, LogOptions, OpenLog } from "./log.ts";
import { elapsed, EtcdLink, EtcdStore, type Instant, systemClock } from "../election/internal.ts";
import type { WatchdogMessage } from "./watchdog_messages.ts";

/** The node sends SIGTERM itself, if it can: so much later it is done for it. */
const STOP_SLACK_MS = 50;
const REVOKE_TIMEOUT_MS = 1000;
const REVOKE_RETRY_MS = 100;
/** How long the revoke waits for the word why, some milliseconds as a rule. */
const MARK_PATIENCE_MS = 200;

type Node = WatchdogMessage & { type: "node" };

/** What a watchdog knows of its node, and does when the node cannot. */
export class WatchdogAgent {
  #node: Node | undefined;
  #link: EtcdLink | undefined;
  #store: EtcdStore | undefined;
  #openLog: OpenLog | undefined;
  readonly #open: (options: LogOptions) => OpenLog;
  #lease: bigint | undefined;
  #place: { readonly key: string; readonly token: string } | undefined;
  #command: { readonly pid?: number; stopping?: boolean } = {};
  #deadline: { readonly since: Instant; readonly stopMs: number; readonly killMs: number } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(open: (options: LogOptions) => OpenLog) {
    this.#open = open;
  }

  readonly #log: Log = (...line) => this.#openLog?.log(...line);

  /** Takes a message of the node. */
  receive(message: WatchdogMessage): void {
    switch (message.type) {
      case "node":
        this.#node = message;
        this.#openLog = this.#open(message.log);
        this.#link = new EtcdLink(message.etcd);
        this.#store = connect(message, this.#link);
        break;
      case "lease":
        this.#lease = BigInt(`0x${message.id}`);
        break;
      case "place":
        this.#place = message;
        break;
      case "command":
        this.#command = message;
        break;
      case "deadline": {
        const { monotonic, wall } = systemClock.now();
        // It may have waited in the pipe.
        const since = { monotonic: monotonic - Math.max(0, wall - message.sentAt), wall: message.sentAt };
        this.#deadline = { since, stopMs: message.stopMs, killMs: message.killMs };
        break;
      }
    }
    this.#check();
  }

  /** The node has died: its command ends first, then its lease, so that another node can lead at once. */
  async nodeDied(): Promise<void> {
    clearTimeout(this.#timer);
    if (!this.#node) return;
    const { runId } = this.#node;
    this.#log("warn", "node-died", { message: `${runId ? "killing its command and " : ""}giving its lease back` });
    await Promise.all([
      this.#place && say(this.#store!, this.#place),
      runId && killTree({ pid: this.#command.pid, runId }),
    ]);
    if (this.#lease !== undefined) await this.#revoke(this.#store!, this.#lease, this.#node.ttlMs);
    await this.#link!.close();
  }

  /** Waits a moment for the last lines of the log. */
  async endLog(): Promise<void> {
    await this.#openLog?.end();
  }

  /** Ends a command that the node lets run for too long: it is frozen, or stuck in its own code. */
  #check(): void {
    clearTimeout(this.#timer);
    const { pid, stopping } = this.#command;
    const runId = this.#node?.runId;
    if (pid === undefined || !runId || !this.#deadline) return;
    const tree = { pid, runId };
    const { since, stopMs, killMs } = this.#deadline;
    const age = elapsed(since, systemClock.now());
    if (age >= killMs) {
      this.#log("warn", "node-stuck", { pid, message: "its command outlived its term; killed" });
      this.#command = {};
      signalTree(tree, "SIGKILL");
      return;
    }
    if (!stopping && age >= stopMs + STOP_SLACK_MS) {
      this.#log("warn", "node-stuck", { pid, message: "it does not stop its command; sending SIGTERM" });
      this.#command = { pid, stopping: true };
      signalTree(tree, "SIGTERM");
    }
    const next = this.#command.stopping ? killMs : stopMs + STOP_SLACK_MS;
    this.#timer = setTimeout(() => this.#check(), Math.max(0, next - age));
  }

  async #revoke(store: EtcdStore, lease: bigint, ttlMs: number): Promise<void> {
    const from = performance.now();
    // Later than that, the lease has ended by itself.
    while (performance.now() - from < ttlMs) {
      try {
        await store.revoke(lease, REVOKE_TIMEOUT_MS);
        this.#log("info", "lease-revoked", { lease: lease.toString(16) });
        break;
      } catch (error) {
        this.#log("debug", "etcd-failing", { message: String(error) });
        await new Promise((resolve) => setTimeout(resolve, REVOKE_RETRY_MS));
      }
    }
  }
}

/** Tells the others why the key goes; nothing depends on it. */
async function say(store: EtcdStore, { key, token }: { key: string; token: string }): Promise<void> {
  await store.markLeaving(key, BigInt(token), "crashed", MARK_PATIENCE_MS).catch(() => {});
}

/** A connection that stands ready: to make one takes longer than all the rest. */
function connect({ ttlMs, self }: Node, link: EtcdLink): EtcdStore {
  const store = new EtcdStore({ prefix: "/", self, ttlMs }, link);
  // A question that changes nothing. If etcd is away, there is time to connect later.
  store.guard("/", 0n, REVOKE_TIMEOUT_MS).catch(() => {});
  return store;
}
