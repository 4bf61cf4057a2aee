import { decodeStatus, type ExitStatus } from "./exit_status.ts";
import { loadLibc } from "./libc.ts";

const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x01000000;
/** How many are reaped before others have their turn. */
const AT_ONCE = 50;
/** Where `siginfo_t` has the process id, counted in 32-bit words. */
const SI_PID = 4;

/** What a reaper is told and tells. */
export interface ReaperOptions {
  /** Whether a process was started by this one: those are the runtime's to reap. */
  readonly isOwn: (pid: number) => boolean;
  /** An adopted process has ended. */
  readonly reaped?: (pid: number, exit: ExitStatus) => void;
}

/**
 * Takes the exit status of processes that this one adopted, as PID 1 or as subreaper: until somebody does, they stay
 * as zombies. It works whenever the kernel tells of a child's end.
 */
export class Reaper implements Disposable {
  readonly #options: ReaperOptions;
  readonly #onSignal = () => this.reap();
  #rest: ReturnType<typeof setTimeout> | undefined;

  /** Gives nothing where there is no way to do it. */
  static start(options: ReaperOptions): Reaper | undefined {
    return "libc" in loadLibc() ? new Reaper(options) : undefined;
  }

  private constructor(options: ReaperOptions) {
    this.#options = options;
    Deno.addSignalListener("SIGCHLD", this.#onSignal);
    this.reap();
  }

  /**
   * Reaps all that can be reaped now; of very many, the rest a little later. To be called whenever the runtime has
   * reaped one of its own.
   */
  reap(): void {
    clearTimeout(this.#rest);
    for (let count = 0, pid = this.#next(); pid !== undefined; count++, pid = this.#next()) {
      if (count === AT_ONCE) {
        this.#rest = setTimeout(this.#onSignal);
        return;
      }
      // One of the runtime's own hides the others from `waitid` until the runtime has reaped it.
      if (!this.#take(pid)) return;
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGCHLD", this.#onSignal);
    clearTimeout(this.#rest);
  }

  /** A child that has ended, left as it is. */
  #next(): number | undefined {
    const library = loadLibc();
    if (!("libc" in library)) return undefined;
    const info = new Int32Array(32);
    if (library.libc.waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT) !== 0) return undefined;
    return info[SI_PID] || undefined;
  }

  /** Reaps one that is not the runtime's, if it has ended. */
  #take(pid: number): boolean {
    const library = loadLibc();
    if (!("libc" in library) || this.#options.isOwn(pid)) return false;
    const status = new Int32Array(1);
    if (library.libc.waitpid(pid, status, WNOHANG) !== pid) return false;
    this.#options.reaped?.(pid, decodeStatus(status[0]!));
    return true;
  }
}
