import { assertEquals, assertRejects } from "@std/assert";
import { AskError, askNode } from "../../cli/inspect/ask.ts";

Deno.test("a host name that nobody knows is named as the cause, in few words", async () => {
  const url = "http://no-such-host.invalid:8080/status";
  const { message } = await assertRejects(() => askNode(url, () => undefined), AskError);
  assertEquals(message, `${url} cannot be reached: its host name is not known here`);
});

Deno.test("another failure of a request is told without the runtime's preamble", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${server.addr.port}/status`;
  const hangsUp = server.accept().then((connection) => connection.close());
  const { message } = await assertRejects(() => askNode(url, () => undefined), AskError);
  await hangsUp;
  assertEquals(message.includes("error sending request"), false, message);
});
