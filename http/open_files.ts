import { canOpenMore, isOutOfFiles } from "./files_left.ts";

/** Tries whether this process can open a few more files. */
export function filesAreLeft(): boolean {
  return canOpenMore(mayOpenNull() ? openNull : listen);
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

function mayOpenNull(): boolean {
  return Deno.build.os !== "windows" &&
    Deno.permissions.querySync({ name: "read", path: "/dev/null" }).state === "granted";
}
