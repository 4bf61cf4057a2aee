import { assertEquals } from "@std/assert";
import { findEtcd } from "../dev/find_etcd.ts";
import { freePort, LocalEtcd } from "../dev/local_etcd.ts";
import { Program } from "../dev/program.ts";
import { EtcdLink } from "../election/etcd/link.ts";
import { checkEtcdOptions } from "../election/etcd/options.ts";
import { Candidate } from "./support/candidate.ts";
import { leads, within } from "./support/until.ts";

const transport = "grpc";

/** Runs etcd's own proxy for gRPC before this etcd. */
async function withProxy(etcd: LocalEtcd, use: (endpoint: string) => Promise<void>): Promise<void> {
  const address = `127.0.0.1:${freePort()}`;
  const ready = Promise.withResolvers<void>();
  // Newer versions connect to themselves, at the address that they advertise.
  const own = ["--listen-addr", address, "--advertise-client-url", address];
  const args = ["grpc-proxy", "start", "--endpoints", etcd.endpoint, ...own];
  await using proxy = Program.start((await findEtcd()).etcd, args, {
    detached: true,
    onLine: (line) => {
      if (line.includes("started gRPC proxy")) ready.resolve();
    },
  });
  proxy.drained.then(() => ready.reject(new Error("the proxy has ended")));
  await ready.promise;
  await use(`http://${address}`);
  await proxy.stop("SIGKILL");
}

function message(endpoint: string): string {
  const host = endpoint.replace("http://", "");
  return `etcd at ${host} is etcd's gRPC proxy, which answers renewals with old news: use the endpoints of etcd itself`;
}

Deno.test("behind etcd's gRPC proxy nobody leads, and a candidate is told why; with another endpoint it leads", async () => {
  await using etcd = await LocalEtcd.start();
  await withProxy(etcd, async (endpoint) => {
    const told: string[] = [];
    const once = Promise.withResolvers<void>();
    const roles = new Set<string>();
    const a = new Candidate(etcd, "a", {
      endpoints: [endpoint],
      transport,
      onEvent: (event) => {
        roles.add(a.state.role);
        if (event.type === "etcd-failing" && told.push(event.message) === 1) once.resolve();
      },
    });
    await within(10_000, "to be told of the proxy", once.promise);
    await a.stop();
    assertEquals(new Set(told), new Set([message(endpoint)]));
    assertEquals(roles.has("leader"), false);

    const b = new Candidate(etcd, "b", { endpoints: [endpoint, etcd.endpoint], transport });
    await leads(b);
    await b.stop();
  });
});

Deno.test("a watch behind etcd's gRPC proxy is refused too", async () => {
  await using etcd = await LocalEtcd.start();
  await withProxy(etcd, async (endpoint) => {
    const link = new EtcdLink(checkEtcdOptions({ endpoints: [endpoint], transport }));
    const lost = Promise.withResolvers<string>();
    link.watch({
      prefix: "jobs/",
      probeEveryMs: 100,
      patience: { timeoutMs: 1000, firstTimeoutMs: 5000 },
      notify: (notice) => notice.type === "lost" && lost.resolve(notice.error.message),
    });
    assertEquals(await within(10_000, "the watch to be refused", lost.promise), message(endpoint));
    await link.close();
  });
});
