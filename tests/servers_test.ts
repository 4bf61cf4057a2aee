import { assert, assertEquals } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { freePort, hasProgram, Program } from "./support/program.ts";
import { TestNode } from "./support/node.ts";
import { lives } from "./support/tree.ts";
import { within } from "./support/until.ts";
import { shellWord } from "./support/shell_word.ts";

/** Servers from Debian's packages, which daemonize and write over their environment. */
const POSTGRES = [...folders("/usr/lib/postgresql").map((version) => `/usr/lib/postgresql/${version}/bin`)]
  .find((folder) => folders(folder).includes("postgres"));
const ROOT = Deno.build.os === "linux" && Deno.uid() === 0;

function folders(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** The process that a server has written into a file, while it lives. */
function processIn(file: string): number[] {
  try {
    return [Number.parseInt(Deno.readTextFileSync(file))].filter(lives);
  } catch {
    return [];
  }
}

/** The children of processes, and theirs. */
function below(pids: readonly number[]): number[] {
  const children = pids.flatMap((pid) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
    } catch {
      return [];
    }
  });
  return children.length === 0 ? [] : [...children, ...below(children)];
}

interface Server {
  /** The first processes of the server. */
  readonly pids: () => number[];
  readonly command: readonly string[];
  readonly answers: () => Promise<boolean>;
}

/** Ends a leader that runs a server in several ways: all of it has ended when the next leader's begins to. */
async function plays(server: (folder: string) => Promise<Server>): Promise<void> {
  await using etcd = await LocalEtcd.start();
  const folder = await Deno.makeTempDir();
  await Deno.chmod(folder, 0o755);
  const { command, pids, answers } = await server(folder);
  const ready = async () => {
    while (!await answers()) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const flags = ["--ttl", "3", "--stop-grace", "20", "--", ...command];
  let leader = await TestNode.start(etcd, flags);
  for (const signal of ["SIGTERM", "SIGKILL", "SIGSTOP"] as const) {
    await using former = leader;
    await former.logs("command-started");
    await within(20_000, "the server", ready());
    const other = leader = await TestNode.start(etcd, flags);
    await other.logs("following");
    const all = [...pids(), ...below(pids())];
    assert(all.length > 2, `only ${all}`);
    former.kill(signal);
    await other.logs("leading");
    assertEquals(all.filter(lives), [], `${signal}: some live on`);
  }
  await using last = leader;
  await within(20_000, "the server", ready());
  assertEquals(await last.stop(), 0);
  assertEquals(pids(), []);
  await Deno.remove(folder, { recursive: true });
}

Deno.test({
  name: "nginx, which daemonizes, has ended with all its workers before the next leader's begins",
  ignore: !hasProgram("nginx") || Deno.build.os !== "linux",
  fn: () =>
    plays(async (folder) => {
      const port = freePort();
      const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
        `${name}_temp_path "${folder}/t";`
      );
      await Deno.writeTextFile(
        `${folder}/nginx.conf`,
        `daemon on; worker_processes 2; pid "${folder}/pid"; error_log "${folder}/log"; events {}
         http { access_log off; ${
          paths.join(" ")
        } server { listen 127.0.0.1:${port}; location / { return 200 ok; } } }`,
      );
      // The first process goes on, and has nothing to do with nginx any more.
      const script = `env -i $(command -v nginx) -c ${shellWord(folder)}/nginx.conf; exec sleep 1000`;
      return {
        command: ["sh", "-c", script],
        pids: () => processIn(`${folder}/pid`),
        answers: async () => {
          const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
          return await response?.text() === "ok";
        },
      };
    }),
});

Deno.test({
  name: "PostgreSQL, whose backends have sessions of their own, has ended before the next leader's begins",
  ignore: !POSTGRES || !ROOT,
  fn: () =>
    plays(async (folder) => {
      const port = freePort();
      const data = `${folder}/data`;
      await Deno.mkdir(data);
      await Deno.chown(data, 65534, 65534);
      const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
      const made = await Program.run("setpriv", [...nobody, `${POSTGRES}/initdb`, "-D", data, "-A", "trust", "-N"], {
        cwd: data,
      });
      assertEquals(made.code, 0, made.stderr);
      const flags = ["-D", data, "-p", String(port), "-c", "listen_addresses=127.0.0.1", "-k", data];
      return {
        command: ["setpriv", ...nobody, `${POSTGRES}/postgres`, ...flags],
        pids: () => processIn(`${data}/postmaster.pid`),
        answers: async () => {
          const ask = ["-h", "127.0.0.1", "-p", String(port), "-U", "nobody", "-t", "-c", "select 1", "postgres"];
          return (await Program.run("psql", ask)).code === 0;
        },
      };
    }),
});
