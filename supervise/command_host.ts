import { Cgroup } from "./cgroup.ts";
import { Children } from "./children.ts";
import { DirectLauncher, type Launcher, type LaunchFacts } from "./launcher.ts";
import type { Watchdog } from "./watchdog.ts";
import { WatchdogLauncher } from "./watchdog_launcher.ts";
import type { CommandFacts } from "./watchdog_messages.ts";

/** Secrets of the node, which are none of the command's business. */
const SECRETS = [
  "LEADER_NODE_USER",
  "LEADER_NODE_PASSWORD",
  "LEADER_NODE_CONTROL_TOKEN",
  "ETCDCTL_USER",
  "ETCDCTL_PASSWORD",
];

/** What a process needs that runs a command: its environment, its children, and by what the command is known. */
export class CommandHost {
  readonly children = Children.adopting();
  readonly #mark = crypto.randomUUID();
  readonly #cgroup = Cgroup.create(`leader-node-${this.#mark}`);

  /** Takes this process's environment for the command's: from now on, the secrets are not part of it. */
  constructor() {
    for (const name of SECRETS) Deno.env.delete(name);
  }

  /** Whether all processes of the command are found, whatever they do. */
  get findsAll(): boolean {
    return this.children.adopts || this.#cgroup !== undefined;
  }

  /** How a watchdog finds the command's processes. */
  get facts(): CommandFacts {
    return { mark: this.#mark, nodePid: Deno.pid, former: this.children.former, cgroup: this.#cgroup?.folder };
  }

  /** Who starts the command: the watchdog, if there is one. */
  launcher(watchdog: Watchdog | undefined): Launcher {
    const facts: LaunchFacts = {
      mark: this.#mark,
      children: this.children,
      cgroup: this.#cgroup,
      watchdogs: () => watchdog?.pid === undefined ? [] : [watchdog.pid],
    };
    return watchdog ? new WatchdogLauncher(watchdog, facts) : new DirectLauncher(facts);
  }

  close(): void {
    this.#cgroup?.remove();
    this.children[Symbol.dispose]();
  }
}
