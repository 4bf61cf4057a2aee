import { assertEquals, assertMatch } from "@std/assert";
import { type ElectionEvent, observe } from "../election/mod.ts";
import { Candidate } from "./support/candidate.ts";
import { within } from "./support/until.ts";
import { LocalEtcd } from "../dev/local_etcd.ts";

const transport = "gateway";
const HEADER = { revision: "7" };
const RANGE = { header: HEADER, count: "0" };

/** A server that answers these paths of the gateway in this way, and no others. */
function serve(answers: Record<string, () => Response>) {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const answer = answers[new URL(request.url).pathname.slice("/v3/".length)];
    if (answer) return answer();
    const { promise, resolve } = Promise.withResolvers<Response>();
    request.signal.addEventListener("abort", () => resolve(new Response()));
    return promise;
  });
}

for (const ttl of ["9223372036854775807", "abc", "-5", "0", "1e3", "86401"]) {
  Deno.test(`a lease with a TTL of ${ttl} is not taken, and the endpoint is left`, async () => {
    await using etcd = await LocalEtcd.start();
    await using hostile = serve({ "lease/grant": () => Response.json({ header: HEADER, ID: "5", TTL: ttl }) });
    const { port } = hostile.addr;
    const failing = Promise.withResolvers<string>();
    const granted = Promise.withResolvers<number>();
    const onEvent = (event: ElectionEvent) => {
      if (event.type === "etcd-failing" && event.message.includes("invalid")) failing.resolve(event.message);
      if (event.type === "lease-granted") granted.resolve(event.ttlMs);
    };
    const endpoints = [`http://127.0.0.1:${port}`, etcd.endpoint];
    await using _ = new Candidate(etcd, "a", { transport, endpoints, onEvent });
    const message = await within(5000, "the report", failing.promise);
    assertEquals(message, `etcd at 127.0.0.1:${port} sent an invalid answer: a TTL of ${ttl} seconds`);
    assertEquals(await within(5000, "a lease", granted.promise), 5000);
  });
}

Deno.test("a watch line without an end is not collected for ever", async () => {
  const ended = Promise.withResolvers<number>();
  await using hostile = serve({
    // All else is answered: a busy machine takes longer to read so much than there is patience for a watch to begin.
    "kv/txn": () =>
      Response.json({ header: HEADER, responses: [{ response_range: RANGE }, { response_range: RANGE }] }),
    "kv/range": () => Response.json(RANGE),
    watch: () => {
      const piece = new Uint8Array(1024 * 1024).fill(97);
      let sent = 0;
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode('{"result":{"created":true}}\n')),
        pull: (controller) => {
          controller.enqueue(piece);
          sent += piece.length;
        },
        cancel: () => ended.resolve(sent),
      });
      return new Response(body);
    },
  });
  const failing = Promise.withResolvers<string>();
  await using _ = observe({
    name: "jobs",
    transport,
    endpoints: [`http://127.0.0.1:${hostile.addr.port}`],
    ttlSeconds: 3600,
    onEvent: (event) => event.type === "etcd-failing" && event.message.includes("MB") && failing.resolve(event.message),
  });
  assertMatch(await within(30_000, "the report", failing.promise), /the server sent more than 64 MB at once$/);
  await within(5000, "the server to see the end", ended.promise);
});
