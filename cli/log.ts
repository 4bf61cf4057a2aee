import type { Log, LogFields, LogFormat, LogLevel, LogOptions } from "../supervise/log.ts";
import { type LogSink, LogWriter } from "./log_writer.ts";
import { isPrintable } from "../election/internal.ts";
import { shortened, visibleJson } from "./visible.ts";

/** The levels, the most verbose first. */
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
/** The formats of a log line. */
export const LOG_FORMATS: readonly LogFormat[] = ["text", "json"];

/** A log of one line an event that never waits for its reader, and the writer that its lines go through. */
export function openLog(
  { format, level: minimum, id }: LogOptions,
  sink: LogSink = Deno.stderr,
): { readonly log: Log; readonly writer: LogWriter } {
  const line = format === "json" ? jsonLine : textLine;
  const text = (time: Date, level: LogLevel, event: string, fields: LogFields) =>
    line(time.toISOString(), level, id, event, fields);
  const writer = new LogWriter(sink, (lines) => text(new Date(), "warn", "log-dropped", { lines }));
  const log: Log = (level, event, fields = {}) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(minimum)) return;
    const time = new Date();
    writer.writeLater(() => text(time, level, event, fields));
  };
  return { log, writer };
}

/** Maximum length of a field in UTF-16 units: longer than any of ours; others may write into them. */
const MAX_FIELD_LENGTH = 2000;

function jsonLine(time: string, level: LogLevel, id: string, event: string, fields: LogFields): string {
  return visibleJson({ time, level, id, event, ...fields }, (_, value) => {
    if (typeof value === "string") return shortened(value, MAX_FIELD_LENGTH);
    return typeof value === "bigint" ? Number(value) : value;
  });
}

function textLine(time: string, level: LogLevel, id: string, event: string, fields: LogFields): string {
  const words = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${word(shortened(String(value), MAX_FIELD_LENGTH))}`);
  return [time, level.toUpperCase().padEnd(5), word(id), event, ...words].join(" ");
}

function word(text: string): string {
  return /^[^\s"=]+$/.test(text) && isPrintable(text) ? text : visibleJson(text);
}
