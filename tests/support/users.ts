import type { LocalEtcd } from "../../dev/local_etcd.ts";

/** What a user of etcd may do. */
export interface Permission {
  readonly user: string;
  readonly kind: "read" | "readwrite";
  readonly prefix: string;
}

/** Makes etcd ask for a user: `root:rootpw`, or one with this permission and the password "secret". */
export async function askForUsers(etcd: LocalEtcd, { user, kind, prefix }: Permission): Promise<void> {
  await etcd.ctl("user", "add", "root:rootpw");
  await etcd.ctl("user", "grant-role", "root", "root");
  await etcd.ctl("role", "add", "limited");
  await etcd.ctl("role", "grant-permission", "limited", "--prefix=true", kind, prefix);
  await etcd.ctl("user", "add", `${user}:secret`);
  await etcd.ctl("user", "grant-role", user, "limited");
  await etcd.ctl("auth", "enable");
}
