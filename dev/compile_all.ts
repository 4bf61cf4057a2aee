/** `deno task compile:all`: executables for all systems in `dist/`, with SHA256SUMS. Windows on arm64 runs that for x64. */
import { CompileError, makeExecutable } from "./compile.ts";

const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

try {
  await Deno.mkdir("dist", { recursive: true });
  const sums: string[] = [];
  for (const target of TARGETS) {
    const name = `leader-node-${target}${target.includes("windows") ? ".exe" : ""}`;
    await makeExecutable(`dist/${name}`, { target });
    const hash = await crypto.subtle.digest("SHA-256", await Deno.readFile(`dist/${name}`));
    sums.push(`${new Uint8Array(hash).toHex()}  ${name}\n`);
    console.log(`dist/${name}`);
  }
  await Deno.writeTextFile("dist/SHA256SUMS", sums.join(""));
} catch (error) {
  if (!(error instanceof CompileError)) throw error;
  console.error(`compile:all: ${error.message}`);
  Deno.exit(1);
}
