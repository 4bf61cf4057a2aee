/** How many files a connection to etcd, or the start of a program, may take. */
const NEEDED = 12;

/** Tries whether this process can open a few more sockets. What it may not try counts as possible. */
export function filesAreLeft(): boolean {
  const opened: Deno.Listener[] = [];
  try {
    while (opened.length < NEEDED) opened.push(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && (error.code === "EMFILE" || error.code === "ENFILE"));
  } finally {
    for (const listener of opened) listener.close();
  }
}
