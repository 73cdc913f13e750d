import type { Command } from "commander";
import { nearest } from "../schemas/nearest.ts";

export interface CheckedArgs {
  /** The command that the arguments name, as far as they name one. */
  readonly command: Command;
  /** The arguments without flags that the command does not take. */
  readonly args: readonly string[];
  /** Those flags, each said with the one that was perhaps meant. */
  readonly problems: readonly string[];
}

/**
 * Takes the flags that a command does not know out of its arguments, so that they can be reported
 * together with whatever else is wrong. Values are left out of the text: they may be secret.
 */
export function checkFlags(program: Command, args: readonly string[]): CheckedArgs {
  const kept: string[] = [];
  const problems: string[] = [];
  let command = program;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] as string;
    if (arg === "--") {
      kept.push(...args.slice(index));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      kept.push(arg);
      command = command.commands.find((each) => each.name() === arg) ?? command;
      continue;
    }
    const flag = arg.replace(/=.*$/s, "");
    const option = command.options.find(({ long, short }) => flag === long || flag === short);
    // What stands before the command's name is commander's to judge.
    if (option !== undefined || flag === "--help" || flag === "-h" || command === program) {
      kept.push(arg);
      if (option?.required === true && flag === arg && index + 1 < args.length) {
        kept.push(args[++index] as string);
      }
      continue;
    }
    const known = command.options.flatMap(({ long, hidden }) => (hidden || !long ? [] : [long]));
    problems.push(`${flag}: ${pathOf(command)} takes no such flag${nearest(flag, known)}`);
  }
  return { command, args: kept, problems };
}

function pathOf(command: Command): string {
  const names: string[] = [];
  for (let each: Command | null = command; each?.parent; each = each.parent) {
    names.unshift(each.name());
  }
  return names.join(" ");
}
