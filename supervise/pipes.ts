import { loadLibc } from "./libc.ts";

const O_CLOEXEC = 0o2000000;
const F_DUPFD = 0;
/** The child's ends get numbers from here on: the first three are its standard streams. */
const FIRST_FD = 3;

/** This process's ends of two pipes to a child, and the numbers of the child's ends. */
export interface PipePair {
  readonly write: Deno.FsFile;
  readonly read: Deno.FsFile;
  readonly childRead: number;
  readonly childWrite: number;
  /** Closes the child's ends in this process, once the child has them. */
  closeChildEnds(): void;
}

/**
 * Makes a pipe to a child and one back, beside its standard streams. Only the next process that is started gets the
 * child's ends, and none gets ours: when this process dies, the child reads the end of the pipe.
 */
export function makePipes(): PipePair {
  const libc = libcOrThrow();
  const [there, back] = [new Int32Array(2), new Int32Array(2)];
  if (libc.pipe2(there, O_CLOEXEC) !== 0) throw new Error("no pipe to the watchdog: too many open files?");
  if (libc.pipe2(back, O_CLOEXEC) !== 0) {
    there.forEach((fd) => libc.close(fd));
    throw new Error("no pipe from the watchdog: too many open files?");
  }
  const inherited = (fd: number) => {
    const copy = libc.fcntl(fd, F_DUPFD, FIRST_FD);
    libc.close(fd);
    return copy;
  };
  const [childRead, childWrite] = [inherited(there[0]!), inherited(back[1]!)];
  return {
    write: openFd(there[1]!, { write: true }),
    read: openFd(back[0]!, { read: true }),
    childRead,
    childWrite,
    closeChildEnds: () => [childRead, childWrite].forEach((fd) => libc.close(fd)),
  };
}

/** A file descriptor as a file that the next processes do not inherit. */
export function openFd(fd: number, options: Deno.OpenOptions): Deno.FsFile {
  const file = Deno.openSync(`/proc/self/fd/${fd}`, options);
  libcOrThrow().close(fd);
  return file;
}

function libcOrThrow() {
  const library = loadLibc();
  if ("reason" in library) throw new Error(library.reason);
  return library.libc;
}
