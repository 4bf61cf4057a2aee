/** What is peculiar to etcd's JSON gateway; `deno task test:gateway` runs all other tests by it. */
import { assertEquals } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { checkEtcdOptions } from "../election/etcd/options.ts";
import { EtcdLink } from "../election/etcd/link.ts";
import { Candidate } from "./support/candidate.ts";
import { freePort, hasProgram, Program } from "./support/program.ts";
import { Proxy } from "./support/proxy.ts";
import { follows, leads, within } from "./support/until.ts";

const transport = "gateway";

Deno.test("candidates by HTTP and by gRPC stand in one election, and take over from each other", async () => {
  await using etcd = await LocalEtcd.start();
  const a = new Candidate(etcd, "a", { transport });
  const { term } = await leads(a);
  assertEquals(await etcd.ctl("get", "--prefix", "jobs/", "--keys-only"), term.guard[0]);
  const b = new Candidate(etcd, "b", { transport: "grpc" });
  await follows(b, "a");
  await a.resign();
  await leads(b);
  await follows(a, "b");
  await b.stop();
  await leads(a);
  await a.stop();
  assertEquals(await etcd.ctl("get", "--prefix", "jobs/", "--keys-only"), "");
  assertEquals(await etcd.ctl("lease", "list"), "found 0 leases");
});

/** What a candidate at this endpoint is told of its trouble. */
async function trouble(etcd: LocalEtcd, endpoint: string): Promise<string> {
  const told = Promise.withResolvers<string>();
  const candidate = new Candidate(etcd, "a", {
    endpoints: [endpoint],
    transport,
    onEvent: (event) => event.type === "etcd-failing" && told.resolve(event.message),
  });
  try {
    return await within(10_000, "to be told of the trouble", told.promise);
  } finally {
    await candidate.stop();
  }
}

Deno.test("a gateway that is switched off, and what is no etcd, is named in a line", async () => {
  await using etcd = await LocalEtcd.start({ flags: ["--enable-grpc-gateway=false"] });
  assertEquals(
    await trouble(etcd, etcd.endpoint),
    `etcd at 127.0.0.1:${etcd.port} returned an error: ` +
      "the JSON gateway is disabled; start etcd with --enable-grpc-gateway or use transport grpc",
  );
  const busy = () => new Response("<h1>Bad gateway</h1>", { status: 502 });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, busy);
  const { port } = server.addr;
  assertEquals(
    await trouble(etcd, `http://127.0.0.1:${port}`),
    `etcd at 127.0.0.1:${port} cannot be reached: the server answered with HTTP status 502`,
  );
});

Deno.test("an endpoint whose gateway is switched off is passed over", async () => {
  await using off = await LocalEtcd.start({ flags: ["--enable-grpc-gateway=false"] });
  await using etcd = await LocalEtcd.start();
  const a = new Candidate(etcd, "a", { transport, endpoints: [off.endpoint, etcd.endpoint] });
  await leads(a);
  await a.stop();
});

Deno.test("a watch by HTTP whose list was late is probed all the same", async () => {
  await using etcd = await LocalEtcd.start();
  let [watching, lists] = [false, 0];
  // The fault itself: the list comes later than the first probe is due.
  await using slow = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/v3/watch") watching = true;
    if (watching && pathname === "/v3/kv/range" && lists++ === 0) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return await fetch(etcd.endpoint + pathname, { method: "POST", body: request.body });
  });
  const link = new EtcdLink(checkEtcdOptions({ endpoints: [`http://127.0.0.1:${slow.addr.port}`], transport }));
  const probed = Promise.withResolvers<void>();
  let alive = 0;
  const close = link.watch({
    prefix: "jobs/",
    probeEveryMs: 10,
    patience: { timeoutMs: 1000, firstTimeoutMs: 1000 },
    notify: ({ type }) => type === "alive" && ++alive === 3 && probed.resolve(),
  });
  try {
    await within(5000, "two probes", probed.promise);
  } finally {
    close();
    await link.close();
  }
});

Deno.test("a watch by HTTP that does not tell what a probe finds is lost", async () => {
  await using etcd = await LocalEtcd.start();
  await using proxy = new Proxy(etcd.port);
  const link = new EtcdLink(checkEtcdOptions({ endpoints: [proxy.endpoint], transport }));
  const [alive, lost] = [Promise.withResolvers<void>(), Promise.withResolvers<string>()];
  link.watch({
    prefix: "jobs/",
    probeEveryMs: 100,
    patience: { timeoutMs: 500, firstTimeoutMs: 1000 },
    notify: (notice) => {
      if (notice.type === "alive") alive.resolve();
      if (notice.type === "lost") lost.resolve(notice.error.message);
    },
  });
  await within(5000, "a watch", alive.promise);
  proxy.stallFrom("/v3/watch");
  await etcd.ctl("put", "jobs/1", "one");
  assertEquals(
    await within(5000, "the watch to be lost", lost.promise),
    `etcd at 127.0.0.1:${proxy.port} does not answer`,
  );
  await link.close();
});

Deno.test({
  name: "nginx that buffers responses is named, and used once it does not (needs nginx)",
  // It is ended by a signal, without which its workers stay.
  ignore: !hasProgram("nginx") || Deno.build.os === "windows",
  fn: async () => {
    await using etcd = await LocalEtcd.start();
    const endpoint = `http://127.0.0.1:${freePort()}`;
    const host = endpoint.slice("http://".length);
    const folder = await Deno.makeTempDir({ prefix: "leader-node-nginx-" });
    const serves = () => fetch(`${endpoint}/version`).then((answer) => answer.text().then(() => true), () => false);
    // HTTP/1.0, its default before 1.29.7: with 1.1, it passes on each piece in any case.
    const withNginx = async (buffering: "on" | "off", use: () => Promise<void>) => {
      await Deno.writeTextFile(
        `${folder}/nginx.conf`,
        `daemon off; pid pid; error_log stderr; events {}
        http {
          access_log off; client_body_temp_path temp; proxy_temp_path temp;
          fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
          server {
            listen ${host};
            location / { proxy_pass ${etcd.endpoint}; proxy_http_version 1.0; proxy_buffering ${buffering}; }
          }
        }`,
      );
      await using nginx = Program.start("nginx", ["-p", folder, "-c", "nginx.conf"]);
      await nginx.until("to serve", serves);
      await use();
      await nginx.stop();
    };
    await withNginx("on", async () => {
      assertEquals(
        await trouble(etcd, endpoint),
        `etcd at ${host} answers calls, but nothing comes of a watch: a proxy in between that buffers responses must ` +
          "stop that (nginx: proxy_buffering off)",
      );
    });
    await withNginx("off", async () => {
      const a = new Candidate(etcd, "a", { transport });
      await leads(a);
      const b = new Candidate(etcd, "b", { transport, endpoints: [endpoint] });
      await follows(b, "a");
      await a.stop();
      await leads(b);
      await b.stop();
    });
    await Deno.remove(folder, { recursive: true });
  },
});
