/** The subcommands for users, in the order of the help, and what each does. */
export const SUBCOMMANDS = {
  status: "show the leader, and whether all nodes agree",
  members: "list the candidates in the queue",
  history: "list past leaders and why each term ended",
  doctor: "check etcd, the nodes and the settings for problems",
  resign: "ask the leader to step down",
  switchover: "transfer leadership to a given candidate",
  completions: "print the completions of a shell",
  man: "print the manual page",
  help: "show this help, or that of a subcommand",
  version: "print the version",
} as const;

/** The name of a subcommand. */
export type Subcommand = keyof typeof SUBCOMMANDS;

/** Whether a word is the name of a subcommand. */
export function isSubcommand(word: string | undefined): word is Subcommand {
  return word !== undefined && Object.hasOwn(SUBCOMMANDS, word);
}

/** The shells that have completions. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** The name of a shell. */
export type Shell = typeof SHELLS[number];
