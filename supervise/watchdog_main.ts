import { inbox, Outbox } from "./channel.ts";
import { Children } from "./children.ts";
import { PLATFORM } from "./platform.ts";
import { openFd } from "./pipes.ts";
import { type AgentOptions, WatchdogAgent } from "./watchdog_agent.ts";
import type { WatchdogAnswer, WatchdogMessage } from "./watchdog_messages.ts";

/** The file descriptors of the pipes from and to the node; without them, the node writes to stdin. */
export interface WatchdogPipes {
  readonly read: number;
  readonly write: number;
}

/** A watchdog's life: it ends with its node, and never before. */
export async function runWatchdog(
  options: Pick<AgentOptions, "openLog" | "etcdOptions">,
  pipes?: WatchdogPipes,
): Promise<void> {
  // Before anything else is started, which would inherit them.
  const input = pipes ? openFd(pipes.read, { read: true }) : Deno.stdin;
  const outbox = pipes && new Outbox<WatchdogAnswer>(openFd(pipes.write, { write: true }));
  // Whoever stops a whole group or service means the node; this one ends when the node has.
  for (const signal of PLATFORM.sentToAll) Deno.addSignalListener(signal, () => {});
  const guard = new WatchdogAgent({
    ...options,
    answer: (answer) => outbox?.send(answer),
    children: pipes && Children.adopting(),
  });
  for await (const message of inbox<WatchdogMessage>(input)) {
    if (message.type === "done") return await guard.end();
    guard.receive(message);
  }
  await guard.nodeDied();
  await guard.end();
}
