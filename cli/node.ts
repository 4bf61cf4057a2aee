import { Election, type ElectionEvent, type Observation, observe } from "../election/mod.ts";
import { serve } from "../http/server.ts";
import type { Config } from "./flags.ts";
import { createLog, type Log } from "./log.ts";

/** How long open requests may hold up the end. */
const HTTP_GRACE_MS = 1000;

/**
 * Runs a node until a signal ends it.
 *
 * @throws {ListenError} If HTTP cannot be served.
 */
export async function runNode(config: Config, version: string): Promise<void> {
  const signalled = firstSignal();
  const server = serve({
    port: config.port,
    hostname: config.hostname,
    source: () => ({ id, url, version, status: election.status }),
    onError: (error) => log("error", "http-error", { message: String(error) }),
  });
  const host = ownHost(config.hostname);
  const id = config.id ?? `${host}:${server.port}`;
  const url = config.advertiseUrl ?? `http://${host}:${server.port}`;
  const log = createLog(config.logFormat, config.logLevel, id);
  const election = enter(config, { id, url }, log);
  log("info", "listening", { url, port: server.port });
  log("info", config.observe ? "observing" : "joining", {
    election: config.election,
    endpoints: config.endpoints.join(","),
    ttl: config.ttl,
  });
  let stopping = false;
  const told = logStates(election, (level, event, fields) => {
    // A node that leaves has nothing to say of who leads.
    if (!stopping || event === "term-ended") log(level, event, fields);
  });

  const signal = await signalled;
  log("info", "stopping", { signal });
  stopping = true;
  await election.stop();
  await told;
  await server.close(HTTP_GRACE_MS);
  log("info", "stopped");
}

function enter(config: Config, candidate: { id: string; url: string }, log: Log): Observation {
  const { election: name, endpoints, tls, user, ttl } = config;
  const options = { name, endpoints, tls, user, ttl, onEvent: (event: ElectionEvent) => logEvent(event, log) };
  return config.observe ? observe(options) : new Election({ ...options, candidate });
}

async function logStates(election: Observation, log: Log): Promise<void> {
  let began = false;
  for await (const state of election) {
    if (state.role === "leader") {
      const { signal, token } = state.term;
      log("info", "leading", { token });
      signal.addEventListener("abort", () => log("info", "term-ended", { token, reason: signal.reason.reason }));
    } else if (state.role === "follower") {
      const { leader } = state;
      if (leader) log("info", "following", { leader: leader.id, url: leader.url, token: leader.token });
      else log("info", "no-leader");
    } else {
      // At the start that is no news.
      log(began ? "info" : "debug", state.role);
    }
    began = true;
  }
}

function logEvent(event: ElectionEvent, log: Log): void {
  switch (event.type) {
    case "lease-granted": {
      const [granted, requested] = [event.ttlMs / 1000, event.requestedTtlMs / 1000];
      log("debug", event.type, { lease: event.leaseId.toString(16), ttl: granted });
      if (granted !== requested) {
        log("warn", "ttl-raised", { requested, granted, message: "etcd grants no shorter TTL" });
      }
      break;
    }
    case "queued":
      log("debug", event.type, { key: event.key, token: event.token });
      break;
    case "queue-changed":
      log("debug", event.type, { candidates: event.queue.length });
      break;
    case "etcd-failing":
      log("warn", event.type, { message: `${event.message}; trying again until it answers` });
      break;
    case "etcd-answers":
      log("info", event.type);
      break;
  }
}

/** The first signal to stop. A second one ends the process at once. */
function firstSignal(): Promise<Deno.Signal> {
  const { promise, resolve } = Promise.withResolvers<Deno.Signal>();
  const numbers = { SIGINT: 2, [Deno.build.os === "windows" ? "SIGBREAK" : "SIGTERM"]: 15 };
  let signalled = false;
  for (const [name, number] of Object.entries(numbers)) {
    const signal = name as Deno.Signal;
    Deno.addSignalListener(signal, () => {
      if (signalled) Deno.exit(128 + number);
      signalled = true;
      resolve(signal);
    });
  }
  return promise;
}

/** The name under which others reach an address of this machine. */
function ownHost(hostname: string): string {
  if (["localhost", "127.0.0.1", "::1"].includes(hostname)) return "localhost";
  if (hostname === "0.0.0.0" || hostname === "::") return Deno.hostname();
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
