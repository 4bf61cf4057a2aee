import { deferred } from "../deferred.ts";
import { MAX_FIRST_CALL_MS } from "../machine/deadline.ts";
import { StoreError } from "../store.ts";
import { checkTls, checkTransport, type Credentials, type EtcdOptions, type Refreshable } from "./options.ts";

/**
 * The credentials for a new client.
 *
 * @throws {StoreError} If they cannot be had now.
 */
export async function credentialsOf({ endpoints, transport, tls, user }: EtcdOptions): Promise<Credentials> {
  const check = (tls: Parameters<typeof checkTls>[0]) => {
    checkTransport(transport, tls);
    return checkTls(tls, endpoints);
  };
  return { tls: await current(tls, MAX_FIRST_CALL_MS, check), user };
}

/**
 * What an option is now.
 *
 * @throws {StoreError} If its function fails, or does not answer in time.
 */
export async function current<T>(
  option: Refreshable<T>,
  timeoutMs: number,
  check: (value: T) => T = (value) => value,
): Promise<T> {
  if (typeof option !== "function") return option;
  const late = deferred<never>();
  const timer = setTimeout(() => late.reject(new Error("no answer in time")), timeoutMs);
  try {
    return check(await Promise.race([(option as () => T | Promise<T>)(), late.promise]));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StoreError("unreachable", `cannot read the credentials for etcd: ${reason}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
