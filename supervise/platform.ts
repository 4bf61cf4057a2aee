/** The name of an operating system. */
export type Os = typeof Deno.build.os;

/** What an operating system has of that by which a command's processes are found and ended. */
export interface Platform {
  readonly os: Os;
  /** Whether there are /proc, subreapers, control groups, and a C library whose calls are known. */
  readonly isLinux: boolean;
  /** Whether there are process groups, programs with an executable bit, and signals that a process can handle. */
  readonly isUnix: boolean;
  /** How the processes of others are listed; without a list, only those that were started here are known. */
  readonly list: "proc" | "ps" | undefined;
  /** What a terminal, a service manager or whoever logs out sends to all processes, and a watchdog outlives. */
  readonly sentToAll: readonly Deno.Signal[];
}

/** What an operating system has, by its name. */
export function platformOf(os: Os): Platform {
  const isLinux = os === "linux";
  const isUnix = os !== "windows";
  return {
    os,
    isLinux,
    isUnix,
    list: isLinux ? "proc" : isUnix ? "ps" : undefined,
    sentToAll: isUnix
      ? ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR2"]
      : ["SIGHUP", "SIGINT", "SIGBREAK", "SIGTERM"],
  };
}

/** The system that this runs on. */
export const PLATFORM: Platform = platformOf(Deno.build.os);
