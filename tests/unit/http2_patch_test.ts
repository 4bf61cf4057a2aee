import { assertEquals } from "@std/assert";
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { connect, type Socket } from "node:net";
import { patchHttp2, sessionsClosed } from "../../election/etcd/grpc/http2_patch.ts";
import { OwnSockets } from "../../election/etcd/grpc/sockets.ts";

/** What a server says first: settings, none of them its own. */
const GREETING = new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** A session to a server that greets, and both ends of its connection. */
async function open(own?: OwnSockets): Promise<{ session: Session; socket: Socket; server: Deno.TcpConn }> {
  patchHttp2();
  const http2: Http2 = createRequire(import.meta.url)("node:http2");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const socket = connect(listener.addr.port, "127.0.0.1");
  const server = await listener.accept();
  own?.add(socket);
  const session = http2.connect("http://127.0.0.1", { createConnection: () => socket });
  const greeted = new Promise<void>((resolve) => session.once("remoteSettings", resolve));
  await server.write(GREETING);
  await greeted;
  return { session, socket, server };
}

interface Session {
  close(): void;
  destroy(): void;
  once(event: "remoteSettings" | "close", listener: () => void): void;
}

interface Http2 {
  connect(authority: string, options: { createConnection: () => Socket }): Session;
}

const turns = (count: number) =>
  new Promise<void>((resolve) => {
    const next = () => count-- > 0 ? setImmediate(next) : resolve();
    next();
  });

/** Until the other side says that it has closed. */
async function readAll(connection: Deno.TcpConn): Promise<void> {
  const bytes = new Uint8Array(1024);
  while (await connection.read(bytes) !== null);
}

Deno.test("once sessions have closed, nothing of them begins later", async () => {
  const own = new OwnSockets();
  const { session, socket, server } = await open(own);
  // That is what grpc-js does when a connection is gone.
  socket.once("close", () => setImmediate(() => session.destroy()));
  session.close();
  const closed = own.close();
  await readAll(server);
  server.close();
  await closed;
  await sessionsClosed();
  const { setTimeout } = globalThis;
  let begun = 0;
  globalThis.setTimeout = ((...args: Parameters<typeof setTimeout>) => {
    begun++;
    return setTimeout(...args);
  }) as typeof setTimeout;
  await turns(3);
  globalThis.setTimeout = setTimeout;
  assertEquals(begun, 0, "timers");
});

Deno.test("a session whose server does not say that it has closed is cut", async () => {
  const own = new OwnSockets();
  const { session, server } = await open(own);
  session.close();
  const closed = own.close();
  own.cut();
  await closed;
  await sessionsClosed();
  server.close();
});

Deno.test("a socket that does not tell that it has closed holds nothing up", async () => {
  const own = new OwnSockets();
  const silent = Object.assign(new EventEmitter(), { bytesRead: 1, destroy() {} });
  own.add(silent as unknown as Socket);
  const closed = own.close();
  own.cut();
  await closed;
  silent.emit("close");
});

Deno.test("a connection that comes once its client is closed is closed, too", async () => {
  const own = new OwnSockets();
  await own.close();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const socket = connect(listener.addr.port, "127.0.0.1");
  const server = await listener.accept();
  own.add(socket);
  await readAll(server);
  server.close();
});

Deno.test("sessions of others in the process are not touched", async () => {
  const { session, socket, server } = await open();
  for (const name of ["close", "destroy"]) assertEquals(Object.hasOwn(session, name), false, name);
  const closed = new Promise<void>((resolve) => socket.once("close", resolve));
  session.destroy();
  server.close();
  await closed;
});
