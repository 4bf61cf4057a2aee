import { assertRejects } from "@std/assert";
import { grpc } from "../../election/etcd/grpc/client.ts";
import { systemClock } from "../../election/machine/clock.ts";
import { within } from "../support/until.ts";

/** An empty SETTINGS frame, with which a server of HTTP/2 begins. */
const GREETING = new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** Resolves when the other side takes nothing more. */
async function refused(connection: Deno.TcpConn): Promise<void> {
  for (;;) {
    try {
      await connection.write(GREETING);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("a client that failed leaves no socket to a server that answers nothing and closes nothing", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const client = grpc.connect({
    endpoint: `http://127.0.0.1:${listener.addr.port}`,
    credentials: {},
    clock: systemClock,
    onLeft() {},
  });
  const call = assertRejects(() => client.grant(5, { timeoutMs: 100, firstTimeoutMs: 100 }), Error, "DEADLINE");
  using server = await listener.accept();
  await server.write(GREETING);
  await call;
  client.close();
  await within(5000, "the end of the connection", refused(server));
  await grpc.settled();
});
