import type { LocalEtcd } from "../../dev/local_etcd.ts";

/** What etcd takes in one transaction. */
const OPERATIONS = 128;

/** Puts so many keys of another program in the queue: `foreign 0`, `foreign 1` and so on, without leases. */
export async function fillQueue(
  etcd: Pick<LocalEtcd, "endpoint">,
  count: number,
  election = "leader-node",
): Promise<void> {
  const base64 = (text: string) => btoa(text);
  for (let from = 0; from < count; from += OPERATIONS) {
    const success = Array.from({ length: Math.min(OPERATIONS, count - from) }, (_, index) => ({
      requestPut: {
        key: base64(`${election}/${String(from + index).padStart(8, "0")}`),
        value: base64(`foreign ${from + index}`),
      },
    }));
    const response = await fetch(`${etcd.endpoint}/v3/kv/txn`, { method: "POST", body: JSON.stringify({ success }) });
    if (!response.ok) throw new Error(await response.text());
    await response.body?.cancel();
  }
}
