import { closeSync, openSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { devNull } from "node:os";
import process from "node:process";
import { canOpenMore, LOOK_EVERY_MS } from "../http/files_left.ts";
import type { NodeHandler } from "../http/handler.ts";
import { isTaken, listenError } from "../http/listen_error.ts";
import { toNodeListener } from "../http/node_listener.ts";
import type { NodeServer, ServeOptions } from "../http/server.ts";

/** All addresses, IPv4 included, and those of IPv4 alone. */
const [ALL, ALL_IPV4] = ["::", "0.0.0.0"];
/** What can be opened everywhere. A file system of one's own may lack /dev/null. */
const ALWAYS_THERE = process.platform === "win32" ? devNull : "/";

/**
 * Starts an HTTP or HTTPS server.
 *
 * @throws {ListenError} If the port cannot be opened.
 */
export async function serve(
  options: Omit<ServeOptions, "handler"> & { readonly handler: NodeHandler["handle"] },
): Promise<NodeServer> {
  const { handler, tls, hostname, onClose, onError, onInterrupted } = options;
  const listener = toNodeListener(async (request, client) => {
    try {
      return await handler(request, client);
    } catch (error) {
      onError(error);
      return new Response("internal error\n", { status: 500, headers: { "cache-control": "no-store" } });
    }
  });
  const server = tls ? (await import("node:https")).createServer(tls, listener) : createServer(listener);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  const port = await listen(server, hostname, options.port);
  server.on("error", onError);
  const cutAll = () => sockets.forEach((socket) => socket.destroy());
  const freeFiles = () => {
    if (canOpenMore(openFile)) return;
    cutAll();
    onInterrupted("no files are left for other connections");
  };
  const looking = setInterval(freeFiles, LOOK_EVERY_MS);
  return {
    port,
    freeFiles,
    async close(graceMs) {
      clearInterval(looking);
      onClose();
      const timer = setTimeout(cutAll, graceMs);
      await new Promise((resolve) => server.close(resolve));
      clearTimeout(timer);
    },
  };
}

/** Listens, and gives the port; for all addresses on those of IPv4, if that cannot be had with others. */
async function listen(server: Server, hostname: string, port: number): Promise<number> {
  try {
    return await listenOn(server, hostname, port);
  } catch (error) {
    if (hostname !== ALL || isTaken(error)) throw error;
    return await listenOn(server, ALL_IPV4, port);
  }
}

function listenOn(server: Server, hostname: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const failed = (error: unknown) => reject(listenError(hostname, port, error));
  server.once("error", failed);
  server.listen(port, hostname, () => {
    server.off("error", failed);
    resolve((server.address() as AddressInfo).port);
  });
  return promise.finally(() => server.removeAllListeners("listening"));
}

function openFile(): { close(): void } {
  const file = openSync(ALWAYS_THERE, "r");
  return { close: () => closeSync(file) };
}
