import { fileURLToPath } from "node:url";

/** The running executable. Asked now: when the file is gone, the system gives it another name. */
export const EXECUTABLE = Deno.execPath();

/** What makes this program out of the running executable. */
export function programArgs(): string[] {
  if (Deno.build.standalone) return [];
  const main = mainFile();
  // A bundled program needs no configuration, and must not find somebody else's.
  return ["run", "-A", "--quiet", ...(main.endsWith(".js") ? ["--no-config", "--cached-only"] : []), main];
}

/** What another process of this program needs. */
export function programFiles(): string[] {
  return Deno.build.standalone ? [EXECUTABLE] : [EXECUTABLE, mainFile()];
}

function mainFile(): string {
  return fileURLToPath(Deno.mainModule);
}
