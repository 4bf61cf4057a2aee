import { diagnose, findingsText } from "./doctor.ts";
import { examineEtcd } from "./etcd_facts.ts";
import { historyTable, mergeHistories } from "./history.ts";
import { membersJson, membersTable } from "./members.ts";
import { readQueue, watchQueue } from "./read_queue.ts";
import { askNodes, judge, statusJson, statusText } from "./status.ts";
import type { InspectConfig } from "./flags.ts";
import { onStopSignal } from "../signals.ts";

/** Exit codes for scripts, besides 1 for what could not be asked. */
const FINE = 0;
const DOUBTS = 1;
const NOBODY_LEADS = 3;

/**
 * Looks at an election and prints what there is to see. Gives the exit code.
 *
 * @throws {AskError} If etcd, or every node, does not say.
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
  const gone = new AbortController();
  if (config.watch) onStopSignal(() => gone.abort(), () => {});
  for await (const queue of watchQueue(config, gone.signal)) {
    if (gone.signal.aborted) break;
    const text = config.json ? membersJson(queue) : membersTable(queue, show);
    if (config.watch && !config.json) console.log(Deno.stdout.isTerminal() ? `\x1b[H\x1b[J${text}` : `${text}\n`);
    else console.log(text);
    if (!config.watch) return queue.state.leader ? FINE : NOBODY_LEADS;
  }
  return FINE;
}

async function status(config: InspectConfig): Promise<number> {
  const seen = await readQueue(config);
  const report = judge(seen, await askNodes(seen.queue));
  console.log(config.json ? statusJson(config.election, report) : statusText(config.election, report, show));
  if (report.doubts.length > 0) return DOUBTS;
  return report.leader ? FINE : NOBODY_LEADS;
}

async function history(config: InspectConfig): Promise<number> {
  const { queue } = await readQueue(config);
  const terms = mergeHistories(await askNodes(queue, "/history"));
  console.log(config.json ? JSON.stringify(terms) : historyTable(terms, show));
  return FINE;
}

async function doctor(config: InspectConfig): Promise<number> {
  const { election, ttl } = config;
  const etcd = await examineEtcd(config);
  const queue = etcd.readsMs.length > 0 ? (await readQueue(config)).queue : undefined;
  const findings = diagnose({ election, ttl, etcd, queue, nodes: await askNodes(queue ?? []) });
  console.log(config.json ? JSON.stringify(findings) : findingsText(findings, show));
  return findings.some(({ level }) => level === "fail") ? DOUBTS : FINE;
}
