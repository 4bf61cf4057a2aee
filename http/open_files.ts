/** How many files a connection to etcd, or the start of a program, may take. */
const NEEDED = 12;

/** Tries whether this process can open a few more files. What it may not try counts as possible. */
export function filesAreLeft(): boolean {
  const opened: { close(): void }[] = [];
  const open = mayOpenNull() ? openNull : listen;
  try {
    while (opened.length < NEEDED) opened.push(open());
    return true;
  } catch (error) {
    return !isOutOfFiles(error);
  } finally {
    for (const file of opened) file.close();
  }
}

/** A seventh of the CPU time of a socket: a node looks every other second. */
function openNull(): { close(): void } {
  try {
    return Deno.openSync("/dev/null");
  } catch (error) {
    if (isOutOfFiles(error)) throw error;
    // A file system of one's own may lack it.
    return listen();
  }
}

/** What a node may open in any case. */
function listen(): Deno.Listener {
  return Deno.listen({ hostname: "127.0.0.1", port: 0 });
}

function isOutOfFiles(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EMFILE" || error.code === "ENFILE");
}

function mayOpenNull(): boolean {
  return Deno.build.os !== "windows" &&
    Deno.permissions.querySync({ name: "read", path: "/dev/null" }).state === "granted";
}
