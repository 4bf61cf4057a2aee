import { UsageError } from "./flags.ts";

/**
 * Checks that Deno permits this process to start programs, if it has to.
 *
 * @throws {UsageError} If not.
 */
export function checkPrivileges({ command, watchdog }: { command?: unknown; watchdog: boolean }): void {
  if (!command && !watchdog) return;
  if (Deno.permissions.querySync({ name: "run" }).state === "granted") return;
  throw new UsageError(`${command ? "a command" : "a watchdog"} requires more Deno permissions; use deno run -A`);
}

/**
 * Drops the permissions that this process does not need. A node with a command keeps all of them: Deno requires them
 * to find and stop its processes.
 */
export function dropPrivileges({ command, watchdog }: { command?: unknown; watchdog: boolean }): void {
  if (command) return;
  const names: Deno.PermissionName[] = watchdog ? ["write", "ffi"] : ["write", "ffi", "run"];
  for (const name of names) Deno.permissions.revokeSync({ name });
}
