import { EtcdLink } from "./etcd/link.ts";
import { checkEtcdOptions, type ConnectionOptions } from "./etcd/options.ts";

const links = new WeakMap<Connection, EtcdLink>();

/** The link of a connection. */
export function linkOf(connection: Connection): EtcdLink {
  return links.get(connection)!;
}

/**
 * A connection to etcd that many elections of one process share: two sockets, one stream for all renewals and one for
 * all watches, where each election would have its own. Each election keeps a lease of its own, so that it can be given
 * up alone. If etcd fails to answer one of them in time, all move to another endpoint together.
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
   * Connects when the first election needs it.
   *
   * @throws {InvalidOptionError} If an option cannot work; the message says which and why.
   */
  constructor(options: ConnectionOptions = {}) {
    links.set(this, new EtcdLink(checkEtcdOptions(options)));
  }

  /**
   * Lets go of etcd. Stop the elections first: those that go on cannot reach it any more.
   *
   * @returns A promise that resolves when all is closed.
   */
  close(): Promise<void> {
    return linkOf(this).close();
  }

  /** The same as {@linkcode Connection.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
