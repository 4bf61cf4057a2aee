import { UsageError } from "./flags.ts";

/**
 * Checks that this process may do what it is asked to.
 *
 * @throws {UsageError} If it may not.
 */
export function checkPrivileges({ command, watchdog }: { command?: unknown; watchdog: boolean }): void {
  if (!command && !watchdog) return;
  if (Deno.permissions.querySync({ name: "run" }).state === "granted") return;
  throw new UsageError(`${command ? "a command" : "a watchdog"} needs more permissions of Deno: expected deno run -A`);
}

/**
 * Gives up what this process will not need. Who runs a command keeps all: to find and end its processes, Deno asks
 * for everything.
 */
export function dropPrivileges({ command, watchdog }: { command?: unknown; watchdog: boolean }): void {
  if (command) return;
  const names: Deno.PermissionName[] = watchdog ? ["write", "ffi"] : ["write", "ffi", "run"];
  for (const name of names) Deno.permissions.revokeSync({ name });
}
