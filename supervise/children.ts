import { exitOf, type ExitStatus } from "./exit_status.ts";
import { becomeSubreaper } from "./libc.ts";
import { PLATFORM, type Platform } from "./platform.ts";
import { childrenOf } from "./processes.ts";
import { Reaper } from "./reaper.ts";

/**
 * The child processes of this one: those that it started, and, on Linux, the orphans of those below, which come to it
 * and are reaped by it.
 */
export class Children implements Disposable {
  /** Whether orphans come to this process, so that they cannot get out of its sight. */
  readonly adopts: boolean;
  /** The children that were there before, such as those of a shell that has replaced itself by this program. */
  readonly former: readonly number[];
  readonly #own = new Set<number>();
  readonly #awaited = new Map<number, (exit: ExitStatus) => void>();
  #reaper: Reaper | undefined;
  /** Told when one has ended. */
  onEnd = () => {};

  /** Has all orphans of those below come to this process. */
  static adopting(platform: Platform = PLATFORM): Children {
    return new Children(becomeSubreaper(platform).ok, platform);
  }

  /** Of a process that starts no command: if it is PID 1, or had children before it became this program. */
  static inherited(platform: Platform = PLATFORM): Children | undefined {
    if (!platform.isLinux) return undefined;
    // To load the C library takes memory.
    return Deno.pid === 1 || childrenOf(Deno.pid)?.length ? new Children(false, platform) : undefined;
  }

  private constructor(adopts: boolean, { isLinux }: Platform) {
    this.former = isLinux ? childrenOf(Deno.pid) ?? [] : [];
    this.adopts = adopts;
    this.#reaper = Reaper.start({
      isOwn: (pid) => this.#own.has(pid),
      reaped: (pid, exit) => {
        this.#awaited.get(pid)?.(exit);
        this.onEnd();
      },
    });
  }

  /** Takes one that was started right now; gives how it will end. */
  async own(child: Deno.ChildProcess): Promise<ExitStatus> {
    this.#own.add(child.pid);
    try {
      return await exitOf(child);
    } finally {
      this.#own.delete(child.pid);
      // It may have hidden others that had ended.
      this.#reaper?.reap();
      this.onEnd();
    }
  }

  /** Tells how a process ended, if it ends as an orphan that came here. Gives a function to ask for no more. */
  onReaped(pid: number, ended: (exit: ExitStatus) => void): () => void {
    this.#awaited.set(pid, ended);
    return () => this.#awaited.delete(pid);
  }

  [Symbol.dispose](): void {
    this.#reaper?.[Symbol.dispose]();
    this.#reaper = undefined;
  }
}
