/** `deno task etcd`: a throw-away etcd on 2379, until Ctrl+C. */
import { EtcdNotFoundError } from "./find_etcd.ts";
import { LocalEtcd, portInUse } from "./local_etcd.ts";
import { interrupted } from "./interrupted.ts";

const PORT = 2379;

async function main(): Promise<number> {
  if (portInUse(PORT)) {
    console.error(`etcd: port ${PORT} is in use, maybe by an etcd that runs already`);
    return 1;
  }
  const stop = interrupted();
  try {
    await using etcd = await LocalEtcd.start({ port: PORT });
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

if (import.meta.main) Deno.exit(await main());
