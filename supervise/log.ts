/** How important an event is. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** The format of a log line. */
export type LogFormat = "text" | "json";

/** The fields of an event. */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

/** Logs one event. */
export type Log = (level: LogLevel, event: string, fields?: LogFields) => void;

/** A log, and how to end it: waits until its lines are written, but only for a moment. */
export interface OpenLog {
  readonly log: Log;
  end(): Promise<unknown>;
}

/** How a node logs; its watchdog logs in the same way. */
export interface LogOptions {
  readonly format: LogFormat;
  /** The minimum level to log. */
  readonly level: LogLevel;
  /** The node's id, which is part of each line. */
  readonly id: string;
}
