import { EtcdLink } from "./etcd/link.ts";
import { checkEtcdOptions, type ConnectionOptions } from "./etcd/options.ts";
import { InvalidOptionError, NOT_SHOWN } from "./errors.ts";
import { checkShape } from "./option_shape.ts";

const links = new WeakMap<Connection, EtcdLink>();

/** The elections over a connection that still have something to tell etcd, though nobody waits for them. */
const finishing = new WeakMap<Connection, Set<Promise<void>>>();

/** Has `close` wait for the end of an election. */
export function finishLater(connection: Connection, stopped: Promise<void>): void {
  const all = finishing.get(connection) ?? new Set();
  finishing.set(connection, all.add(stopped));
  stopped.finally(() => all.delete(stopped));
}

/**
 * The link behind a connection.
 *
 * @throws {InvalidOptionError} If it is none.
 */
export function linkOf(connection: Connection): EtcdLink {
  const link = links.get(connection);
  if (!link) throw new InvalidOptionError("connection", NOT_SHOWN, "a Connection of this library");
  return link;
}

/**
 * A connection to etcd, shared by the elections of one process: two sockets, one stream for all renewals and one for
 * all watches, instead of one of each per election. Each election still has its own lease, so that it can resign
 * separately. If etcd fails to answer one election in time, all of them switch to another endpoint together.
 *
 * @example Many shards, each with its own leader
 * ```ts
 * import { Connection, Election } from "./mod.ts";
 *
 * await using connection = new Connection({ endpoints: ["http://127.0.0.1:2379"] });
 * const shards = ["a", "b", "c"].map((shard) => new Election({ name: `shards/${shard}`, connection }));
 * await Promise.all(shards.map(async (election) => {
 *   for await (const { role } of election) if (role === "leader") break;
 * }));
 * await Promise.all(shards.map((election) => election.stop()));
 * ```
 */
export class Connection {
  /**
   * Connects on first use.
   *
   * @throws {InvalidOptionError} If an option is invalid; the message names it and the valid values.
   */
  constructor(options: ConnectionOptions = {}) {
    checkShape(options, "connection");
    links.set(this, new EtcdLink(checkEtcdOptions(options)));
  }

  /**
   * Closes the connection. Stop its elections first: those still running cannot reach etcd any more.
   *
   * @returns A promise that resolves when everything is closed.
   */
  async close(): Promise<void> {
    await Promise.all(finishing.get(this) ?? []);
    await linkOf(this).close();
  }

  /** Same as {@linkcode Connection.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
