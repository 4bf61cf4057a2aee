/** etcd with separate client ports for gRPC and HTTP (3.5.10 and newer, 3.6, 3.7). */
import { findEtcd } from "../dev/find_etcd.ts";
import { freePort, LocalEtcd } from "../dev/local_etcd.ts";
import type { ElectionOptions } from "../election/mod.ts";
import { Candidate } from "./support/candidate.ts";
import { Certificates } from "./support/certificates.ts";
import { Program } from "./support/program.ts";
import { leads, within } from "./support/until.ts";

const { stdout, stderr } = await Program.run((await findEtcd()).etcd, ["--help"]);
const ignore = !(stdout + stderr).includes("--listen-client-http-urls");

/** Resolves when a candidate with these options is told this, perhaps after a plain "connection closed". */
async function told(etcd: LocalEtcd, options: Partial<ElectionOptions>, message: RegExp): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using _candidate = new Candidate(etcd, "a", {
    ...options,
    onEvent: (event) => event.type === "etcd-failing" && message.test(event.message) && resolve(),
  });
  await within(20_000, `to be told ${message}`, promise);
}

for (const scheme of ["http", "https"] as const) {
  Deno.test({
    name: `${scheme}: who asks a port for the wrong protocol is told so (needs an etcd with separate ports)`,
    ignore,
    async fn() {
      await using files = await Certificates.make();
      await files.sign("server", "localhost");
      const server = { cert: files.path("server.pem"), key: files.path("server.key") };
      const tls = scheme === "https" ? { ca: files.read("ca.pem") } : undefined;
      const httpPort = freePort();
      await using etcd = await LocalEtcd.start({
        tls: tls && server,
        flags: ["--listen-client-http-urls", `${scheme}://127.0.0.1:${httpPort}`],
      });
      const at = (port: number) => ({ endpoints: [`${scheme}://localhost:${port}`], tls });
      await told(
        etcd,
        { transport: "gateway", ...at(etcd.port) },
        tls ? /: .*this port (speaks|may speak) only gRPC/ : /: this port speaks only gRPC; use transport grpc, or/,
      );
      await told(
        etcd,
        { transport: "grpc", ...at(httpPort) },
        tls
          ? /: this port speaks only HTTP, not gRPC; use transport gateway/
          : /: .*require https, or speak only HTTP$/,
      );
      for (const [transport, port] of [["grpc", etcd.port], ["gateway", httpPort]] as const) {
        await using candidate = new Candidate(etcd, transport, { transport, ...at(port) });
        await leads(candidate);
      }
    },
  });
}
