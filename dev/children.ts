import { interrupted } from "./interrupted.ts";

const children = new Set<Deno.ChildProcess>();

/** Remembers a child that Ctrl+C does not reach, as long as it runs. */
export function adopt(child: Deno.ChildProcess): void {
  children.add(child);
  child.status.then(() => children.delete(child));
}

// A test that fails may leave a node behind, which would join the elections of later tests on the same port.
addEventListener("unload", () => {
  for (const child of children) {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }
});

/** When this process is interrupted, its children are killed, and it ends. */
export async function endTogether(): Promise<void> {
  await interrupted();
  for (const child of children) child.kill("SIGKILL");
  Deno.exit(130);
}
