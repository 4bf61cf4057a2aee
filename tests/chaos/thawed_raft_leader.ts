import { checkEtcdOptions, EtcdLink } from "../../election/internal.ts";
import type { LocalEtcd } from "../../dev/local_etcd.ts";
import { transport } from "../support/transport.ts";
import { sleep } from "./sleep.ts";
import { type Testbed, TTL } from "./stage.ts";

/** Leases that are renewed all the while, to see how many etcd takes away. */
const LEASES = 20;
const RENEW_EVERY_MS = 250;
const PATIENCE = { timeoutMs: 2000, firstTimeoutMs: 5000 };

/**
 * Freezes the raft leader until all leases that it knows have run out, while the other members renew them, and thaws it:
 * often it then revokes them before it learns that it leads no more.
 */
export async function thawedRaftLeader(stage: Testbed): Promise<void> {
  const leader = await stage.raftLeader();
  await using leases = await RenewedLeases.grant(stage.etcds.filter((member) => member !== leader));
  leader.signal("SIGSTOP");
  await sleep(3 * TTL * 1000);
  await stage.settle();
  stage.thaw(leader);
  await sleep(TTL * 1000);
  stage.takenLeases += leases.lost;
  await stage.settle();
}

class RenewedLeases implements AsyncDisposable {
  /** How many are gone. */
  lost = 0;
  readonly #link: EtcdLink;
  readonly #renewing: Promise<void>[];
  #over = false;

  private constructor(link: EtcdLink, ids: readonly string[]) {
    this.#link = link;
    this.#renewing = ids.map((id) => this.#renew(id));
  }

  static async grant(members: readonly LocalEtcd[]): Promise<RenewedLeases> {
    const endpoints = members.map(({ endpoint }) => endpoint);
    const link = new EtcdLink(checkEtcdOptions({ endpoints, transport }));
    const grants = Array.from({ length: LEASES }, () => link.call((client) => client.grant(TTL, PATIENCE)));
    return new RenewedLeases(link, (await Promise.all(grants)).map(({ ID }) => ID));
  }

  async #renew(id: string): Promise<void> {
    while (!this.#over) {
      const answer = await this.#link.call((client) => client.renew(id, PATIENCE)).catch(() => undefined);
      if (answer?.TTL === "0") {
        this.lost++;
        return;
      }
      await sleep(RENEW_EVERY_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await Promise.all(this.#renewing);
    await this.#link.close();
  }
}
