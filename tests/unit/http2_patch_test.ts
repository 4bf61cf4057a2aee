import { assert, assertEquals } from "@std/assert";
import { createRequire } from "node:module";
import { connect, type Socket } from "node:net";
import { patchHttp2, sessionsClosed } from "../../election/etcd/grpc/http2_patch.ts";

/** What a server says first: settings, none of them its own. */
const GREETING = new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** A session to a server that greets, and both ends of its connection. */
async function open(): Promise<{ session: Session; socket: Socket; server: Deno.TcpConn }> {
  patchHttp2();
  const http2: Http2 = createRequire(import.meta.url)("node:http2");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const socket = connect(listener.addr.port, "127.0.0.1");
  const server = await listener.accept();
  const session = http2.connect("http://127.0.0.1", { createConnection: () => socket });
  const greeted = new Promise<void>((resolve) => session.once("remoteSettings", resolve));
  await server.write(GREETING);
  await greeted;
  return { session, socket, server };
}

interface Session {
  close(): void;
  destroy(): void;
  once(event: "remoteSettings", listener: () => void): void;
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
  const { session, socket, server } = await open();
  // That is what grpc-js does when a connection is gone.
  socket.once("close", () => setImmediate(() => session.destroy()));
  session.close();
  const closed = sessionsClosed();
  await readAll(server);
  server.close();
  await closed;
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
  const { session, socket, server } = await open();
  session.close();
  await sessionsClosed();
  assert(socket.closed);
  server.close();
});
