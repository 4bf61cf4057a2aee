import { assertEquals } from "@std/assert";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import type { ClientInfo } from "../../http/routes.ts";
import { toNodeListener } from "../../http/node_listener.ts";

/** A server of Node.js that answers by this handler. */
async function serving(handle: (request: Request, client?: ClientInfo) => Response | Promise<Response>) {
  const server = createServer(toNodeListener(handle));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}

Deno.test("a request comes through with its method, headers, body and address, and so does the answer", async () => {
  await using server = await serving(async (request, client) => {
    const text = [request.method, new URL(request.url).pathname, request.headers.get("x-a"), await request.text()];
    return new Response([...text, client?.remoteAddr?.hostname].join(), { status: 202, headers: { "x-b": "2" } });
  });
  const headers = { "x-a": "1" };
  const posted = await fetch(`${server.url}/resign?x=1`, { method: "POST", headers, body: "body" });
  assertEquals([posted.status, posted.headers.get("x-b")], [202, "2"]);
  assertEquals(await posted.text(), "POST,/resign,1,body,127.0.0.1");
  assertEquals(await (await fetch(server.url, { headers })).text(), "GET,/,1,,127.0.0.1");
  const head = await fetch(server.url, { method: "HEAD" });
  assertEquals([head.status, await head.text()], [202, ""]);
});

Deno.test("a request with a whole URL, as for a proxy, is for its path", async () => {
  await using server = await serving(({ url }) => new Response(url));
  const { hostname, port } = new URL(server.url);
  using client = Deno.createHttpClient({ proxy: { transport: "tcp", hostname, port: Number(port) } });
  const answer = await fetch("http://a.example/leader?x", { client });
  assertEquals([answer.status, await answer.text()], [200, "http://a.example/leader?x"]);
});

Deno.test("a method that no request of the Fetch API can have is not implemented", async () => {
  await using server = await serving(() => new Response("ok"));
  const traced = Promise.withResolvers<number | undefined>();
  request(server.url, { method: "TRACE" }, (answer) => traced.resolve(answer.resume().statusCode)).end();
  assertEquals(await traced.promise, 501);
});

Deno.test("a stream that its client leaves is cancelled", async () => {
  const cancelled = Promise.withResolvers<void>();
  await using server = await serving(() =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("data\n")),
        cancel: () => cancelled.resolve(),
      }),
    )
  );
  const response = await fetch(server.url);
  await response.body!.cancel();
  await cancelled.promise;
});

Deno.test("a connection ends with its event stream, so that it does not keep a server that closes", async () => {
  const headers = { "content-type": "text/event-stream" };
  await using server = await serving(() => new Response("data: 1\n\n", { headers }));
  const answer = await fetch(server.url);
  assertEquals([answer.headers.get("connection"), await answer.text()], ["close", "data: 1\n\n"]);
});

Deno.test("a handler that throws, and a Host that makes no URL, are answered", async () => {
  await using server = await serving(() => {
    throw new Error("no");
  });
  const failed = await fetch(server.url);
  assertEquals([failed.status, await failed.text()], [500, "internal error\n"]);
  const status = await new Promise((resolve, reject) => {
    const sent = request(server.url, { headers: { host: "a b" } }, (answer) => {
      answer.resume();
      answer.once("end", () => resolve(answer.statusCode));
    });
    sent.once("error", reject);
    sent.end();
  });
  assertEquals(status, 400);
});
