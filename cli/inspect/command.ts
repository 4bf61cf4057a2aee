import { leaderProblem } from "../../http/answers.ts";
import { diagnose, findingsText } from "./doctor.ts";
import { examineEtcd } from "./etcd_facts.ts";
import { historyTable, mergeHistories } from "./history.ts";
import { parseHistory, parseStatus } from "./node_answers.ts";
import { membersJson, membersTable } from "./members.ts";
import { readQueue, watchQueue } from "./read_queue.ts";
import { askNodes, compare, statusJson, statusText } from "./status.ts";
import type { InspectConfig } from "./flags.ts";
import { onStdoutClosed } from "../closed_stdout.ts";
import { onStopSignal } from "../signals.ts";
import { print } from "../print.ts";
import { visibleJson } from "../visible.ts";

/** Exit codes for scripts. An {@linkcode AskError} gives 1 too. */
const OK = 0;
const PROBLEM = 1;
const NO_LEADER = 3;

/**
 * Runs a read-only subcommand, prints its result and returns the exit code.
 *
 * @throws {AskError} If etcd does not answer; for `history`, if no node does.
 */
export function inspect(config: InspectConfig): Promise<number> {
  switch (config.what) {
    case "members":
      return members(config);
    case "status":
      return status(config);
    case "history":
      return history(config);
    case "doctor":
      return doctor(config);
  }
}

const show = { colours: Deno.stdout.isTerminal() && !Deno.noColor };

async function members(config: InspectConfig): Promise<number> {
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  if (config.watch) onStopSignal(stop, () => {});
  using _noReader = config.watch ? onStdoutClosed(stop) : undefined;
  for await (const status of watchQueue(config, stopped.signal)) {
    if (stopped.signal.aborted) break;
    const text = config.json ? membersJson(status) : membersTable(status, show);
    if (config.watch) {
      const clear = Deno.stdout.isTerminal() ? `\x1b[H\x1b[J${text}` : `${text}\n`;
      if (!await print(config.json ? text : clear)) break;
      continue;
    }
    await print(text);
    const { leader } = status.state;
    return !leader ? NO_LEADER : leaderProblem(status.queue, leader.token) ? PROBLEM : OK;
  }
  return OK;
}

async function status(config: InspectConfig): Promise<number> {
  const fromEtcd = await readQueue(config);
  const report = compare(fromEtcd, await askNodes(fromEtcd.queue, "/status", parseStatus));
  await print(config.json ? statusJson(config.election, report) : statusText(config.election, report, show));
  if (report.doubts.length > 0) return PROBLEM;
  return report.leader ? OK : NO_LEADER;
}

async function history(config: InspectConfig): Promise<number> {
  const { queue } = await readQueue(config);
  const terms = mergeHistories(await askNodes(queue, "/history", parseHistory));
  await print(config.json ? visibleJson(terms) : historyTable(terms, show));
  return OK;
}

async function doctor(config: InspectConfig): Promise<number> {
  const { election, ttl } = config;
  const etcd = await examineEtcd(config);
  const queue = etcd.readsMs.length > 0 ? (await readQueue(config)).queue : undefined;
  const nodes = await askNodes(queue ?? [], "/status", parseStatus);
  const findings = diagnose({ election, ttl, etcd, queue, nodes });
  await print(config.json ? visibleJson(findings) : findingsText(findings, show));
  return findings.some(({ level }) => level === "fail") ? PROBLEM : OK;
}
