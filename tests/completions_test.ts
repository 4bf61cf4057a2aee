/** The completions in real shells, and the manual page in a real formatter, where there are any. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { completions } from "../cli/completions.ts";
import { manPage } from "../cli/man.ts";
import { DOCUMENTED } from "../cli/manual.ts";
import type { Shell } from "../cli/subcommands.ts";
import { hasProgram, Program } from "./support/program.ts";
import { within } from "./support/until.ts";

/** What is typed, with TAB as `\t`, and what the program gets. */
const TYPED: readonly [typed: string, got: string][] = [
  ["memb\t--wat\t", "members --watch"],
  ["sta\t--ca\tca\t", "status --cacert ca (mine).pem"],
  ["--cacert=ca\t", "--cacert=ca (mine).pem"],
  ["--transport gr\t", "--transport grpc"],
  ["--transport=gat\t", "--transport=gateway"],
  ["members --transport gat\t--js\t", "members --transport gateway --json"],
  ["switch\t--cand\tb", "switchover --candidate b"],
  ["help doc\t", "help doctor"],
  ["completions fi\t", "completions fish"],
  ["--no-w\t", "--no-watchdog"],
  ["--id a --log-f\tj\t", "--id a --log-format json"],
  ["--observe -- unlin\t", "--observe -- unlink"],
];

/** A folder with the script of a shell, and a file with a name that needs quotes. */
async function folderFor(shell: Shell): Promise<string> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/completion`, completions(shell));
  await Deno.writeTextFile(`${folder}/ca (mine).pem`, "");
  return folder;
}

/** How to start a shell without anybody's settings, in which `leader-node` prints its arguments. */
const SHELLS = {
  bash: ["bash --norc --noprofile -i", "PS1='READY''> '; bind 'set enable-bracketed-paste off'"],
  zsh: ["zsh -f -i", "PS1='READY''> '; unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -D"],
} as const;

const LINUX = Deno.build.os === "linux" && hasProgram("script");

for (const shell of ["bash", "zsh"] as const) {
  Deno.test({
    name: `${shell} completes subcommands, flags, values and files when TAB is pressed (needs ${shell}, script)`,
    ignore: !LINUX || !hasProgram(shell),
    async fn() {
      const folder = await folderFor(shell);
      const [start, prepare] = SHELLS[shell];
      await using terminal = new Terminal(start, folder);
      const program = "leader-node() { printf 'GOT<%s>\\n' \"$*\"; }";
      await terminal.type(`${prepare}; ${program}; source ./completion\r`, /READY> /);
      for (const [typed, got] of TYPED) {
        const [output] = await terminal.type(`leader-node ${typed}\r`, /GOT<(.*)>\s+[^]*READY> /);
        // zsh writes --flag=value where it completes both.
        assertEquals(output!.replaceAll("=", " "), got.replaceAll("=", " "), typed);
      }
      await Deno.remove(folder, { recursive: true });
    },
  });
}

Deno.test({
  name: "fish completes subcommands, flags, values and files (needs fish)",
  ignore: !hasProgram("fish"),
  async fn() {
    const folder = await folderFor("fish");
    for (const [typed, got] of TYPED) {
      let line = "leader-node ";
      for (const part of typed.split(/(?<=\t)/)) {
        line += part.trimEnd();
        if (!part.endsWith("\t")) continue;
        const program = `source completion; complete -C "$argv[1]"`;
        const { stdout, stderr } = await Program.run("fish", ["--no-config", "-c", program, line], { cwd: folder });
        assertEquals(stderr, "");
        const [word] = stdout.split("\n").map((one) => one.split("\t", 1)[0]!);
        line = `${line.replace(/\S*$/, "")}${word!} `;
      }
      assertEquals(line.trim(), `leader-node ${got}`, typed);
    }
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test({
  name: "the manual page is formatted without a warning, and names every subcommand (needs groff)",
  ignore: !hasProgram("groff"),
  async fn() {
    const { code, stdout, stderr } = await Program.run("groff", ["-man", "-Tutf8", "-ww", "-P-cbou"], {
      input: manPage("1.2.3"),
    });
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^NAME\n +leader-node - leader election over etcd$/m);
    assertMatch(stdout, /^ +--\[no-\]watchdog|^ +--watchdog, --no-watchdog$/m);
    for (const name of DOCUMENTED) assert(stdout.includes(`\n${name.toUpperCase()}\n`), name);
  },
});

/** An interactive program in a pseudo terminal. */
class Terminal implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #ended = false;

  constructor(command: string, cwd: string) {
    const env = { PATH: Deno.env.get("PATH")!, HOME: cwd, TERM: "dumb", LC_ALL: "C.UTF-8" };
    const pipes = { stdin: "piped", stdout: "piped", stderr: "null" } as const;
    const args = ["-qec", command, "/dev/null"];
    this.#process = new Deno.Command("script", { args, cwd, env, clearEnv: true, ...pipes }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#reader = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#process.status.then(() => this.#ended = true);
  }

  /** Types a text; resolves with the groups of the pattern once the output since then matches it. */
  async type(text: string, pattern: RegExp): Promise<string[]> {
    let output = "";
    const found = async () => {
      await this.#writer.write(new TextEncoder().encode(text));
      for (;;) {
        const { value, done } = await this.#reader.read();
        if (done) throw new Error(`the shell has ended: ${output}`);
        output += value.replaceAll("\r", "");
        const match = pattern.exec(output);
        if (match) return match.slice(1);
      }
    };
    return await within(20_000, () => `${pattern} in ${JSON.stringify(output)}`, found());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#process.kill("SIGKILL");
    await this.#writer.close().catch(() => {});
    await this.#reader.cancel();
    await this.#process.status;
  }
}
