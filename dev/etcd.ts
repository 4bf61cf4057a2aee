/** `deno task etcd [PORT]`: a throw-away etcd on 2379, or on PORT, until Ctrl+C. */
import { EtcdNotFoundError } from "./find_etcd.ts";
import { interrupted } from "./interrupted.ts";
import { LocalEtcd, portInUse } from "./local_etcd.ts";

async function main([text = "2379", ...others]: readonly string[]): Promise<number> {
  const port = Number(text);
  if (others.length > 0 || !/^\d{4,5}$/.test(text) || port > 65535) {
    console.error("usage: deno task etcd [PORT]: expected a port from 1024 to 65535");
    return 2;
  }
  if (portInUse(port)) {
    console.error(`etcd: port ${port} is in use, maybe by an etcd that runs already`);
    return 1;
  }
  const stop = interrupted();
  try {
    await using etcd = await LocalEtcd.start({ port });
    console.log(`etcd serves on ${etcd.endpoint}, its data is thrown away at the end; Ctrl+C ends it`);
    const status = await Promise.race([stop, etcd.exited]);
    if (!status) return 0;
    console.error(`etcd: ended by itself (${status.signal ?? `exit code ${status.code}`})`);
    return 1;
  } catch (error) {
    if (!(error instanceof EtcdNotFoundError)) throw error;
    console.error(`etcd: ${error.message}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
