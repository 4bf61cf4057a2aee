/** What is known of one process at one moment. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** Whether it has ended and only waits to be reaped. */
  readonly dead: boolean;
  /** With the pid, this tells it from a later process with the same pid; empty if it could not be looked at. */
  readonly started: string;
  readonly threads: number;
}

/** What /proc/PID/stat says. */
export function parseStat(text: string): ProcessInfo {
  // The name may hold anything, spaces and brackets too.
  const nameEnd = text.lastIndexOf(")");
  const fields = text.slice(nameEnd + 2).split(" ", 20);
  const state = fields[0]!;
  const threads = Number(fields[17]);
  return {
    pid: Number.parseInt(text),
    parent: Number(fields[1]),
    group: Number(fields[2]),
    // Where only the first thread has ended, the others go on.
    dead: state === "X" || (state === "Z" && threads <= 1),
    started: fields[19]!,
    threads,
  };
}

/** What is known of a process; nothing if it is gone. One that cannot be looked at is not gone. */
export function processInfo(pid: number): ProcessInfo | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text !== undefined) return parseStat(text);
  return exists(pid) ? unseen(pid) : undefined;
}

/** A process of which nothing is known but that it is there: it is hidden from this user, or files are short. */
export function unseen(pid: number): ProcessInfo {
  return { pid, parent: 0, group: 0, dead: false, started: "", threads: 1 };
}

/** Whether both may be the same process; they have the same pid. */
export function isSame(a: ProcessInfo, b: ProcessInfo): boolean {
  return a.started === b.started || a.started === "" || b.started === "";
}

/** The children of a process and all its threads, none if it is gone; undefined if they cannot be read now. */
export function childrenOf(pid: number, threads = Infinity): number[] | undefined {
  try {
    const first = listed(pid, pid);
    if (threads <= 1) return first;
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      if (Number(name) !== pid) first.push(...listed(pid, Number(name)));
    }
    return first;
  } catch (error) {
    return isGone(error) ? [] : undefined;
  }
}

function listed(pid: number, thread: number): number[] {
  return Deno.readTextFileSync(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean).map(Number);
}

/** Whether this kernel lists children; if not, all processes must be read. */
export function listsChildren(): boolean {
  try {
    listed(Deno.pid, Deno.pid);
    return true;
  } catch (error) {
    return !isGone(error);
  }
}

/** Whether what was to be read is not there, or no more; not if it cannot be read for another reason. */
export function isGone(error: unknown): boolean {
  // ESRCH, of a process that ends while it is read, has no class and no code.
  return error instanceof Deno.errors.NotFound || (error instanceof Error && error.message.includes("(os error 3)"));
}

const SHORTAGES: ReadonlySet<unknown> = new Set(["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"]);

/** Whether something failed for want of files, processes or memory. */
export function isShortage(error: unknown): boolean {
  return error instanceof Error && "code" in error && SHORTAGES.has(error.code);
}

/** All process ids, where the system has /proc; undefined if it cannot be read now. */
export function allPids(): number[] | undefined {
  try {
    return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter(Number.isInteger);
  } catch {
    return undefined;
  }
}

/** Whether there is a process with this id, of whatever user; a zombie is one. */
export function exists(pid: number): boolean {
  return trySignal(pid, 0) !== "gone";
}

/** Sends a signal, and says what became of it. */
export function trySignal(pid: number, signal: Deno.Signal | 0): "sent" | "gone" | "refused" {
  try {
    Deno.kill(pid, signal);
    return "sent";
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? "gone" : "refused";
  }
}

/** What `ps -axo pid=,ppid=,pgid=,stat=,lstart=` prints. */
export function parsePs(text: string): ProcessInfo[] {
  return text.split("\n").map((line) => line.trim().split(/\s+/)).filter((words) => words.length >= 4)
    .map(([pid, parent, group, state, ...started]) => ({
      pid: Number(pid),
      parent: Number(parent),
      group: Number(group),
      dead: state!.startsWith("Z"),
      started: started.join(" "),
      threads: 1,
    }));
}

/** Reads all processes by `ps`, for systems without /proc; undefined if that cannot be started now. */
export async function processesByPs(): Promise<ProcessInfo[] | undefined> {
  const args = ["-axo", "pid=,ppid=,pgid=,stat=,lstart="];
  try {
    const { stdout } = await new Deno.Command("ps", { args, stdin: "null", stderr: "null" }).output();
    return parsePs(new TextDecoder().decode(stdout));
  } catch {
    return undefined;
  }
}

/** The user whose process it is and its command line, for people. */
export async function describe(pid: number): Promise<{ readonly user: string; readonly command: string }> {
  const uid = userOf(pid);
  // A process that is stuck in the kernel can block who reads this.
  const line = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
  const command = line.replaceAll("\0", " ").trim() || read(`/proc/${pid}/comm`)?.trim() || "";
  return { user: uid === undefined ? "unknown" : userName(uid), command };
}

function userOf(pid: number): number | undefined {
  try {
    return Deno.statSync(`/proc/${pid}`).uid ?? undefined;
  } catch {
    return undefined;
  }
}

function userName(uid: number): string {
  const entry = read("/etc/passwd")?.split("\n").map((line) => line.split(":")).find(([, , id]) => Number(id) === uid);
  return entry?.[0] ?? String(uid);
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
