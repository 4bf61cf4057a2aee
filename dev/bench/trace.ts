/**
 * `deno run -A dev/bench/trace.ts [gateway|grpc]`: one handoff as the system calls of both nodes, in milliseconds from the
 * signal. On Linux, with strace, which itself costs a third or so.
 */
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { Program } from "../program.ts";
import { executableOfNow } from "./executable.ts";
import { ServerProcess } from "./server_process.ts";

/** Long enough for the next in line to know its place, and for both to have rehearsed. */
const SETTLED_MS = 3000;

const LINE = /^\d+ +(?<seconds>\d+\.\d+) (?<call>.*)$/;

/** What a system call means; others are not shown. */
const MEANINGS: readonly (readonly [RegExp, (part: string) => string])[] = [
  [/--- SIGTERM /, () => "SIGTERM arrives"],
  [/^write\(2<.*?"\S+ +[A-Z]+ +\S+ (\S+)/, (event) => `the line "${event}" is written`],
  [/^(?:sendto|write|writev|sendmsg)\(.*"POST \S*?(\/v3\/[a-z/]+)/, (path) => `${path} is sent`],
  [/^(?:sendto|write|writev|sendmsg)\(.*(I am the leader)/, (text) => `"${text}" is answered`],
];

if (import.meta.main) await main();

async function main(): Promise<void> {
  const [transport = "gateway", ...others] = Deno.args;
  if (others.length > 0 || !["gateway", "grpc"].includes(transport)) {
    console.error("usage: deno run -A dev/bench/trace.ts [gateway|grpc]");
    Deno.exit(2);
  }
  if (!await hasStrace()) {
    console.error("trace: needs Linux and strace (apt-get install strace)");
    Deno.exit(2);
  }
  endTogether();
  const { path: executable, folder } = await executableOfNow();
  await using etcd = await LocalEtcd.start();
  const start = () => ServerProcess.start(executable, etcd, ["--transport", transport]);
  const leader = start();
  await leader.answers((text) => text === "I am the leader\n");
  const next = start();
  await next.answers((text) => text.startsWith("I am a follower and"));
  await pause(SETTLED_MS);
  const traces = await Promise.all([leader, next].map((node, index) => trace(node.pid, `${folder}/trace.${index}`)));
  leader.kill("SIGTERM");
  await next.answers((text) => text === "I am the leader\n");
  await leader.ended;
  for (const { strace } of traces) await strace.stop("SIGINT");
  const texts = await Promise.all(traces.map(({ file }) => Deno.readTextFile(file)));
  for (const { ms, node, what } of handoff(texts[0]!, texts[1]!, etcd.port)) {
    console.log(`${ms.toFixed(1).padStart(6)}  ${node.padEnd(6)}  ${what}`);
  }
  await next.stop();
}

/** What happened, from the signal until the next leader answers that it leads. */
export function handoff(leader: string, next: string, etcdPort: number): { ms: number; node: string; what: string }[] {
  const all = [["leader", leader], ["next", next]] as const;
  const calls = all.flatMap(([node, text]) =>
    text.split("\n").flatMap((line) => {
      const { seconds, call = "" } = LINE.exec(line)?.groups ?? {};
      const what = meaning(call, etcdPort);
      return what === undefined ? [] : [{ at: Number(seconds) * 1000, node, what }];
    })
  ).sort((a, b) => a.at - b.at);
  const from = calls.findIndex(({ what }) => what === "SIGTERM arrives");
  const to = calls.findIndex(({ node, what }) => node === "next" && what.includes("I am the leader"));
  return calls.slice(from, to + 1).map(({ at, node, what }) => ({ ms: at - calls[from]!.at, node, what }));
}

function meaning(call: string, etcdPort: number): string | undefined {
  for (const [pattern, text] of MEANINGS) {
    const found = pattern.exec(call);
    if (found) return text(found[1] ?? "");
  }
  if (!call.includes(`:${etcdPort}]>`) || !/ = [1-9]\d*$/.test(call)) return undefined;
  const bytes = / = (\d+)$/.exec(call)![1];
  if (/^(recv|read)/.test(call)) return `${bytes} bytes come from etcd`;
  return /^(send|write)/.test(call) ? `${bytes} bytes are sent to etcd` : undefined;
}

async function trace(pid: number, file: string): Promise<{ strace: Program; file: string }> {
  const what = "trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg";
  const args = [
    "-f",
    "-q",
    "-ttt",
    "-yy",
    "-s",
    "400",
    "-e",
    what,
    "-e",
    "signal=SIGTERM",
    "-o",
    file,
    "-p",
    String(pid),
  ];
  const strace = Program.start("strace", args, { silent: true });
  // It says nothing of having begun, but the node's own timers and polls do.
  while (!(await Deno.stat(file).catch(() => undefined))?.size) await pause(10);
  return { strace, file };
}

async function hasStrace(): Promise<boolean> {
  return Deno.build.os === "linux" && await Program.run("strace", ["-V"]).then(({ code }) => code === 0, () => false);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
