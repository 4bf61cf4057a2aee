import { type LogSink, LogWriter } from "./log_writer.ts";

/** The levels, the noisiest first. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** How a line may look. */
export const LOG_FORMATS = ["text", "json"] as const;

export type LogLevel = typeof LOG_LEVELS[number];
export type LogFormat = typeof LOG_FORMATS[number];

/** What goes with an event. */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

/** Writes one event as one line. */
export type Log = (level: LogLevel, event: string, fields?: LogFields) => void;

/** A log of one line an event that never waits for its reader, and the writer that its lines go through. */
export function openLog(
  format: LogFormat,
  least: LogLevel,
  id: string,
  sink: LogSink = Deno.stderr,
): { readonly log: Log; readonly writer: LogWriter } {
  const line = format === "json" ? jsonLine : textLine;
  const now = () => new Date().toISOString();
  const writer = new LogWriter(sink, (lines) => line(now(), "warn", id, "log-dropped", { lines }));
  const log: Log = (level, event, fields = {}) => {
    if (LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least)) writer.write(line(now(), level, id, event, fields));
  };
  return { log, writer };
}

/** A log of one line an event to stderr: time, level, the node's id, the event, its fields. */
export function createLog(format: LogFormat, least: LogLevel, id: string): Log {
  const encoder = new TextEncoder();
  const write = format === "json" ? jsonLine : textLine;
  return (level, event, fields = {}) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return;
    const line = encoder.encode(write(new Date().toISOString(), level, id, event, fields) + "\n");
    try {
      for (let sent = 0; sent < line.length;) sent += Deno.stderr.writeSync(line.subarray(sent));
    } catch {
      // Nobody reads stderr any more. An election must not end for that.
    }
  };
}

function jsonLine(time: string, level: LogLevel, id: string, event: string, fields: LogFields): string {
  return JSON.stringify(
    { time, level, id, event, ...fields },
    (_, value) => typeof value === "bigint" ? Number(value) : value,
  );
}

function textLine(time: string, level: LogLevel, id: string, event: string, fields: LogFields): string {
  const words = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${word(String(value))}`);
  return [time, level.toUpperCase().padEnd(5), word(id), event, ...words].join(" ");
}

function word(text: string): string {
  return /^[^\s"=\p{C}]+$/u.test(text) ? text : JSON.stringify(text);
}
