/** How a process ended. */
export interface ExitStatus {
  /** Its exit code, or 128 and the number of the signal that ended it. */
  readonly code: number;
  /** The signal that ended it, if one did. */
  readonly signal: string | null;
}

/** The names of Linux's signals, by number; from 34 on they have none but their distance to SIGRTMIN. */
const NAMES = [
  ...["", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1"],
  ...["SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP"],
  ...["SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR"],
  "SIGSYS",
];
const SIGRTMIN = 34;

/** What the status word of `waitpid` says. */
export function decodeStatus(word: number): ExitStatus {
  const signal = word & 0x7f;
  return signal === 0 ? { code: (word >> 8) & 0xff, signal: null } : signalled(signal);
}

/** How a process ended that waits to be reaped, by its /proc/PID/stat. */
export function parseExit(stat: string): ExitStatus {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return decodeStatus(Number(fields[49] ?? 0));
}

/** The end of a child process of Deno's, which rejects its status for signals that have no name. */
export async function exitOf(child: Pick<Deno.ChildProcess, "status">): Promise<ExitStatus> {
  try {
    const { code, signal } = await child.status;
    return { code, signal };
  } catch (error) {
    const number = /Invalid signal: (\d+)/.exec(String(error))?.[1];
    if (number === undefined) throw error;
    return signalled(Number(number));
  }
}

function signalled(number: number): ExitStatus {
  const unnamed = number < SIGRTMIN ? `SIG${number}` : `SIGRTMIN+${number - SIGRTMIN}`;
  return { code: 128 + number, signal: NAMES[number] ?? unnamed };
}
