/** The names that Deno has for errors of the system, by the codes of Node.js. */
const NAMES: Readonly<Record<string, string>> = {
  ENOENT: "NotFound",
  ESRCH: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EAGAIN: "WouldBlock",
  EPIPE: "BrokenPipe",
};

/** What `instanceof` is asked about. An error of Node.js is of the class that Deno's would have. */
export const errors = {
  NotFound: classOf("NotFound"),
  WouldBlock: classOf("WouldBlock"),
  BrokenPipe: classOf("BrokenPipe"),
  /** Node.js has no permissions that could be missing. */
  NotCapable: classOf("NotCapable"),
};

/** The same error by Deno's name, which messages show. */
export function named(error: unknown): unknown {
  const name = nameOf(error);
  return name === undefined ? error : Object.assign(error as Error, { name });
}

function classOf(name: string) {
  return class {
    static [Symbol.hasInstance](error: unknown): boolean {
      return nameOf(error) === name;
    }
  };
}

function nameOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? NAMES[String(error.code)] : undefined;
}
