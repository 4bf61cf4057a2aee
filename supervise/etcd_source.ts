import type { TransportName } from "../election/internal.ts";

/**
 * How to reach etcd, in a form that can be sent to the watchdog: with the paths of the files, which are read for each
 * new connection.
 */
export interface EtcdSource {
  readonly endpoints: readonly string[];
  readonly transport: TransportName;
  /** Paths of PEM files, or the texts of those that can be read only once, such as pipes; and a server name. */
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
  };
  readonly user?:
    | { readonly name: string; readonly password: string }
    | { readonly name: string; readonly passwordFile: string };
}
