import { hostname } from "node:os";
import process from "node:process";
import { errors } from "./errors.ts";
import { files } from "./files.ts";
import { Command } from "./processes.ts";
import { stderr, stdin, stdout } from "./streams.ts";

const SYSTEMS: Readonly<Record<string, string>> = { win32: "windows" };
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

/** What this program uses of Deno, by the modules of Node.js. Nothing else sees it. */
export const Deno = {
  ...files,
  errors,
  Command,
  stdin,
  stdout,
  stderr,
  args: process.argv.slice(2),
  pid: process.pid,
  noColor: Boolean(process.env.NO_COLOR),
  build: {
    os: SYSTEMS[process.platform] ?? process.platform,
    arch: ARCHITECTURES[process.arch] ?? process.arch,
  },
  env: {
    get: (name: string): string | undefined => process.env[name],
    toObject: (): Record<string, string | undefined> => ({ ...process.env }),
    delete: (name: string): void => void delete process.env[name],
  },
  hostname,
  cwd: () => process.cwd(),
  uid: (): number | null => process.getuid?.() ?? null,
  exit: (code: number): never => process.exit(code),
  kill: (pid: number, signal: NodeJS.Signals | 0): void => void process.kill(pid, signal),
  addSignalListener: (signal: NodeJS.Signals, listener: () => void): void => void process.on(signal, listener),
  removeSignalListener: (signal: NodeJS.Signals, listener: () => void): void => void process.off(signal, listener),
  /** Node.js has no such permissions: all is allowed, and nothing can be dropped. */
  permissions: {
    querySync: () => ({ state: "granted" }),
    revokeSync: () => {},
  },
  dlopen: (): never => {
    throw new Error("Node.js cannot call the C library");
  },
  /** `fetch` of Node.js uses no proxy by default. */
  createHttpClient: () => ({ close() {} }),
};
