import { TextLineStream } from "@std/streams/text-line-stream";
import { WatchdogAgent } from "./watchdog_agent.ts";
import type { LogOptions, OpenLog } from "./log.ts";
import type { WatchdogMessage } from "./watchdog_messages.ts";

/** A watchdog's life: it ends with its node, and never before. */
export async function runWatchdog(openLog: (options: LogOptions) => OpenLog): Promise<void> {
  // Whoever stops a whole group or service means the node; this one ends when the node has.
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR2"];
  for (const signal of signals) Deno.addSignalListener(signal, () => {});
  const guard = new WatchdogAgent(openLog);
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) {
    const message = parse(line);
    if (message?.type === "done") return await guard.endLog();
    if (message) guard.receive(message);
  }
  await guard.nodeDied();
  await guard.endLog();
}

/** A line may be torn, if the node died while it wrote. */
function parse(line: string): WatchdogMessage | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
