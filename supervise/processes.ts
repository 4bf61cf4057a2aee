/** What is known of one process at one moment. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** Whether it has ended and only waits to be reaped. */
  readonly dead: boolean;
  /** With the pid, this tells it from a later process with the same pid. */
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

/** What is known of a process; nothing if it is gone, or hidden from this user. */
export function processInfo(pid: number): ProcessInfo | undefined {
  const text = read(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

/** The children of a process and all its threads; nothing where the kernel does not list them, or it is gone. */
export function childrenOf(pid: number, threads = Infinity): number[] | undefined {
  const first = listed(pid, pid);
  if (!first || threads <= 1) return first;
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      if (Number(name) !== pid) first.push(...listed(pid, Number(name)) ?? []);
    }
  } catch {
    // It has ended meanwhile.
  }
  return first;
}

function listed(pid: number, thread: number): number[] | undefined {
  return read(`/proc/${pid}/task/${thread}/children`)?.split(" ").filter(Boolean).map(Number);
}

/** Whether this kernel lists children; if not, all processes must be read. */
export function listsChildren(): boolean {
  return read(`/proc/self/task/${Deno.pid}/children`) !== undefined;
}

/** All process ids, where the system has /proc. */
export function allPids(): number[] {
  const pids: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    const pid = Number(name);
    if (Number.isInteger(pid)) pids.push(pid);
  }
  return pids;
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

/** Reads all processes by `ps`, for systems without /proc. */
export async function processesByPs(): Promise<ProcessInfo[]> {
  const args = ["-axo", "pid=,ppid=,pgid=,stat=,lstart="];
  const { stdout } = await new Deno.Command("ps", { args, stdin: "null", stderr: "null" }).output();
  return parsePs(new TextDecoder().decode(stdout));
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
