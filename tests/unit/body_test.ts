import { assertEquals, assertRejects } from "@std/assert";
import { readText } from "../../election/etcd/gateway/body.ts";
import { MAX_ANSWER_BYTES } from "../../election/etcd/limits.ts";

/** Starts a server that sends exactly this, asks it, and passes the response to `use`. */
async function answeredBy<T>(
  head: string,
  body: string,
  use: (response: Response, abort: AbortController) => Promise<T>,
) {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const abort = new AbortController();
  const asked = fetch(`http://127.0.0.1:${listener.addr.port}/`, { signal: abort.signal });
  using connection = await listener.accept();
  await connection.read(new Uint8Array(4096));
  await connection.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${body}`));
  return await use(await asked, abort);
}

Deno.test("an answer is read in one piece or in many", async () => {
  const read = (response: Response, { signal }: AbortController) => readText(response, signal);
  assertEquals(await answeredBy("content-length: 4", "grü", read), "grü");
  assertEquals(await answeredBy("transfer-encoding: chunked", "2\r\ngr\r\n2\r\nü\r\n0\r\n\r\n", read), "grü");
});

for (const head of ["content-length: 100", "transfer-encoding: chunked"]) {
  Deno.test(`an answer that comes to a stop is read until the signal fires: ${head}`, async () => {
    await answeredBy(head, "2\r\ngr\r\n", async (response, abort) => {
      const reading = readText(response, abort.signal);
      abort.abort(new Error("too late"));
      await assertRejects(() => reading, Error, "too late");
    });
  });
}

Deno.test("an answer that is too long, or comes in pieces whatever length it claims, is not read in one piece", async () => {
  const piece = new TextEncoder().encode("x".repeat(1024 * 1024));
  const claims: Record<string, string>[] = [
    { "content-length": String(MAX_ANSWER_BYTES + 1) },
    { "content-length": "5", "transfer-encoding": "chunked" },
  ];
  for (const headers of claims) {
    let left = MAX_ANSWER_BYTES / piece.length + 2;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => left-- > 0 ? controller.enqueue(piece) : controller.close(),
    });
    await assertRejects(() => readText(new Response(body, { headers }), new AbortController().signal), Error, "64 MB");
  }
});
