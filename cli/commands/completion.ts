import type { Command } from "commander";

/** A command as a shell completes it. */
interface Completed {
  /** Its names behind the program's, e.g. `stack up`; empty: the program. */
  readonly path: string;
  readonly commands: readonly string[];
  readonly flags: readonly string[];
  /** Words that may follow a flag, or stand for its one argument (under an empty name). */
  readonly words: ReadonlyMap<string, readonly string[]>;
  /** Flags that take a value that is no word: a file is offered. */
  readonly valued: readonly string[];
}

/** A script that bash reads: commands, flags, their words, and files elsewhere. */
export function bashCompletion(program: Command): string {
  const cases = completed(program).map(({ path, commands, flags, words, valued }) => {
    const after = [...words].filter(([flag]) => flag !== "");
    const first = [...commands, ...(words.get("") ?? [])].join(" ");
    return [
      `    "${path}")`,
      '      case "$previous" in',
      ...after.map(
        ([flag, all]) =>
          `        ${flag}) COMPREPLY=($(compgen -W "${all.join(" ")}" -- "$word")); return ;;`,
      ),
      ...(valued.length === 0
        ? []
        : [`        ${valued.join("|")}) COMPREPLY=($(compgen -f -- "$word")); return ;;`]),
      "      esac",
      `      words="${first}" flags="${flags.join(" ")}" ;;`,
    ].join("\n");
  });
  const names = completed(program).flatMap(({ path }) => (path === "" ? [] : [`"${path}"`]));
  return `# Completion of millrace for bash: source <(millrace completion bash)
_millrace() {
  local word="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local command="" longer each words="" flags=""
  for each in "\${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    longer="\${command:+$command }$each"
    case "$longer" in
      ${names.join("|")}) command="$longer" ;;
    esac
  done
  case "$command" in
${cases.join("\n")}
  esac
  if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$word"))
  elif [[ -n "$words" ]]; then COMPREPLY=($(compgen -W "$words" -- "$word"))
  else COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _millrace millrace
`;
}

/** The same for zsh, which runs what bash does. */
export function zshCompletion(program: Command): string {
  return `#compdef millrace
# Completion of millrace for zsh: millrace completion zsh > a folder of fpath, as _millrace
autoload -U +X bashcompinit && bashcompinit
${bashCompletion(program)}# Loaded by the first completion, it completes that too.
if [[ "\${funcstack[1]-}" == _millrace ]]; then _bash_complete -o filenames -F _millrace; fi
`;
}

function completed(command: Command, path = ""): Completed[] {
  const subcommands = command.commands.filter((each) => each.name() !== "help");
  const words = new Map<string, readonly string[]>();
  const valued: string[] = [];
  const flags = ["--help"];
  for (const option of command.options) {
    const { long, hidden, required, flags: written, description } = option;
    if (hidden || !long) continue;
    flags.push(long);
    // A short list stands in the flag, a long one behind its text.
    const shape = /<([^<>]+\|[^<>]+)>/.exec(written)?.[1]?.split("|");
    const behind = / One of ([\w, -]+)\./.exec(description)?.[1]?.split(", ");
    const choices = shape ?? behind;
    if (choices !== undefined) words.set(long, choices);
    else if (required) valued.push(long);
  }
  const [first] = command.registeredArguments;
  if (first?.argChoices) words.set("", first.argChoices);
  const commands = subcommands.map((each) => each.name());
  const own = { path, commands, flags, words, valued };
  return [
    own,
    ...subcommands.flatMap((each) =>
      completed(each, path === "" ? each.name() : `${path} ${each.name()}`),
    ),
  ];
}
