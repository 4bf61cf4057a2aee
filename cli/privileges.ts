/**
 * Gives up what this process will not need. Who runs a command keeps all: to find and end its processes, Deno asks
 * for everything.
 */
export function dropPrivileges({ command, watchdog }: { command?: unknown; watchdog: boolean }): void {
  if (command) return;
  const names: Deno.PermissionName[] = watchdog ? ["write", "ffi"] : ["write", "ffi", "run"];
  for (const name of names) Deno.permissions.revokeSync({ name });
}
