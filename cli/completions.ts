import { DOCUMENTED, type Page, pageOf, PROGRAM, type ShownFlag, shownFlags } from "./manual.ts";
import { type Shell, SHELLS, SUBCOMMANDS } from "./subcommands.ts";

/** The words that follow a subcommand, if there are any. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = { completions: SHELLS, help: DOCUMENTED };

/** The script with which a shell completes the command line of leader-node. */
export function completions(shell: Shell): string {
  switch (shell) {
    case "bash":
      return bash();
    case "zsh":
      return zsh();
    case "fish":
      return fish();
  }
}

function flagsOf(page: Page): ShownFlag[] {
  return Object.values(page.tables).flatMap(shownFlags);
}

/** All ways to write a flag that are to be completed. */
function forms({ name, negatable }: ShownFlag): string[] {
  return negatable ? [`--${name}`, `--no-${name}`] : [`--${name}`];
}

/** The possible values of a flag; undefined if there is no list of them. */
function choices({ value }: ShownFlag): string[] | undefined {
  return value?.includes("|") ? value.split("|") : undefined;
}

function isFile({ value }: ShownFlag): boolean {
  return value === "FILE";
}

const SUBCOMMAND_NAMES = Object.keys(SUBCOMMANDS).join(" ");

function bash(): string {
  const pages = [PROGRAM, ...DOCUMENTED.map(pageOf)].map(flagsOf);
  const flags = [...new Map(pages.flat().map((flag) => [flag.name, flag])).values()];
  const names = (those: readonly ShownFlag[]) => those.map(({ name }) => `--${name}`).join(" | ");
  const valued = flags.filter((flag) => flag.value && !isFile(flag) && !choices(flag));
  const words = (page: Page) => flagsOf(page).flatMap(forms).join(" ");
  return `\
# bash completion for leader-node
_leader_node() {
  local IFS=$' \\t\\n' current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} words i
  COMPREPLY=()
  # Everything after -- is the command of a node.
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -- ]] || continue
    IFS=$'\\n'
    if ((i == COMP_CWORD - 1)); then COMPREPLY=($(compgen -c -- "$current")); fi
    ((\${#COMPREPLY[@]})) || COMPREPLY=($(compgen -f -- "$current"))
    compopt -o filenames 2>/dev/null
    return 0
  done
  # bash splits --flag=value into three words.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case $previous in
    ${names(flags.filter(isFile))})
      IFS=$'\\n'
      COMPREPLY=($(compgen -f -- "$current"))
      compopt -o filenames 2>/dev/null
      return 0
      ;;
${flags.filter(choices).map((flag) => `    --${flag.name}) words="${choices(flag)!.join(" ")}" ;;`).join("\n")}
    ${names(valued)}) return 0 ;;
    *)
      case \${COMP_WORDS[1]} in
${
    DOCUMENTED.map((name) => `        ${name}) words="${[...ARGUMENTS[name] ?? [], words(pageOf(name))].join(" ")}" ;;`)
      .join("\n")
  }
        help) words="${DOCUMENTED.join(" ")}" ;;
        version) return 0 ;;
        *) words="${words(PROGRAM)}" ;;
      esac
      ((COMP_CWORD > 1)) || words="${SUBCOMMAND_NAMES} ${words(PROGRAM)}"
      ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _leader_node leader-node`;
}

function zsh(): string {
  const spec = (flag: ShownFlag): string[] => {
    const text = flag.help.replaceAll(/[\\\]:[]/g, "\\$&");
    const value = choices(flag)?.join(" ");
    const action = isFile(flag) ? "_files" : value ? `(${value})` : " ";
    const argument = flag.value ? `:${flag.value.replaceAll(":", "\\:")}:${action}` : "";
    return forms(flag).map((form) => singleQuoted(`${form}${flag.value ? "=" : ""}[${text}]${argument}`));
  };
  const specs = (page: Page) => flagsOf(page).flatMap(spec).map((text) => `\n        ${text}`).join(" \\");
  const described = Object.entries(SUBCOMMANDS).map(([name, help]) => `    ${singleQuoted(`${name}:${help}`)}`);
  return `\
#compdef leader-node
_leader_node() {
  local -a subcommands=(
${described.join("\n")}
  )
  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
    _describe subcommand subcommands
    return
  fi
  local subcommand=$words[2]
  if [[ $subcommand != -* ]]; then
    shift words
    ((CURRENT--))
  fi
  case $subcommand in
${
    DOCUMENTED.map((name) => {
      const values = ARGUMENTS[name] ? ` \\\n        '1:${name}:(${ARGUMENTS[name].join(" ")})'` : "";
      return `    ${name})\n      _arguments \\${specs(pageOf(name))}${values}\n      ;;`;
    }).join("\n")
  }
    help) _arguments '1:subcommand:(${DOCUMENTED.join(" ")})' ;;
    version) ;;
    *)
      _arguments -S \\${specs(PROGRAM)} \\
        '*:: : _normal'
      ;;
  esac
}
# As a file of $fpath it is the function itself; sourced, it registers it.
if [[ $funcstack[1] == _leader-node ]]; then _leader_node "$@"; else compdef _leader_node leader-node; fi`;
}

function fish(): string {
  const line = (condition: string, rest: string) => `complete -c leader-node -n ${singleQuoted(condition)} ${rest}`;
  const flagLines = (condition: string, page: Page) =>
    flagsOf(page).flatMap((flag) =>
      forms(flag).map((form) => {
        const values = choices(flag);
        const value = isFile(flag)
          ? " -rF"
          : values
          ? ` -xa ${singleQuoted(values.join(" "))}`
          : flag.value
          ? " -x"
          : "";
        return line(condition, `-l ${form.slice(2)}${value} -d ${fishQuoted(flag.help)}`);
      })
    );
  const within = (subcommand: string) => `__leader_node_within ${subcommand}`;
  return [
    `\
# fish completion for leader-node
function __leader_node_within -d 'Whether the subcommand is this one; node if there is none'
    set -l word (commandline -opc)[2]
    string match -qr -- '^[^-]' $word; or set word node
    test $word = $argv[1]
end
complete -c leader-node -f`,
    ...Object.entries(SUBCOMMANDS).map(([name, help]) =>
      line("test (count (commandline -opc)) = 1", `-a ${name} -d ${fishQuoted(help)}`)
    ),
    ...flagLines(within("node"), PROGRAM),
    ...DOCUMENTED.flatMap((name) => flagLines(within(name), pageOf(name))),
    ...Object.entries(ARGUMENTS).map(([name, words]) => line(within(name), `-a ${singleQuoted(words.join(" "))}`)),
    line("contains -- -- (commandline -opc)", "-Fa '(__fish_complete_command)'"),
  ].join("\n");
}

/** A word of bash and zsh. */
function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A word of fish, where quotes are escaped. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, "\\$&")}'`;
}
