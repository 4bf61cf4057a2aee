/**
 * Runs a command at a moment at which no file can be opened, gives the files back when that has failed, and prints
 * what the supervisor told.
 */
import { CommandHost } from "../../supervise/command_host.ts";
import { Supervisor } from "../../supervise/supervisor.ts";

const host = new CommandHost();
const held: Deno.FsFile[] = [];
try {
  for (;;) held.push(Deno.openSync("/dev/null"));
} catch {
  // None is left.
}
const ended = new AbortController();
const told: string[] = [];
const supervisor = new Supervisor({
  argv: ["sh", "-c", "exit 7"],
  launcher: host.launcher(undefined),
  stopGraceMs: 0,
  ttlMs: 60_000,
  restart: false,
  hooks: {
    started: () => told.push("started"),
    stopping: () => told.push("stopping"),
    leftOver: () => told.push("left over"),
    refused: () => told.push("refused"),
    ended: ({ code }) => told.push(`ended with ${code}`),
    failed: ({ message }) => {
      told.push(message);
      for (const file of held.splice(0)) file.close();
    },
  },
});
const code = await supervisor.during({
  token: 1n,
  signal: ended.signal,
  guard: ["", "Create", "==", "1"],
  validFor: () => 60_000,
  stopWithin: () => 60_000,
  assert: () => {},
}, {});
host.close();
console.log(JSON.stringify({ code, told }));
