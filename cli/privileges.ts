import { UsageError } from "./flags.ts";

/** To read what `/proc` says of other processes, Deno wants all of these, without exceptions. */
const ALL: readonly Deno.PermissionName[] = ["run", "read", "write", "net", "env", "sys", "ffi"];

/**
 * Checks that Deno permits this process to start programs, and to find the processes of a command, if it has to.
 *
 * @throws {UsageError} If not.
 */
export function checkPrivileges({ command, watchdog }: { command?: unknown; watchdog: boolean }): void {
  if (!command && !watchdog) return;
  if (command && Deno.build.os === "linux" ? ALL.every(isGranted) : isGranted("run")) return;
  throw new UsageError(`${command ? "a command" : "a watchdog"} requires more Deno permissions; use deno run -A`);
}

function isGranted(name: Deno.PermissionName): boolean {
  const { state, partial } = Deno.permissions.querySync({ name });
  return state === "granted" && !partial;
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
