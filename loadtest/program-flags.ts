import { parseArgs } from "node:util";
import { parseTime } from "../runtime/config/setting-types.ts";
import { isDuration } from "../schemas/duration.ts";
import { nearest } from "../schemas/nearest.ts";

/** A flag as `parseArgs` has it, with what `--help` says of it. */
export interface Flag {
  readonly type: "string" | "boolean";
  readonly default?: string | boolean | string[];
  readonly multiple?: boolean;
  /**
   * Stands for the value in the help. A known one says what is checked too: `N` a whole number,
   * `TIME` a duration, `DATE` a time in UTC; `N,…` several of them.
   */
  readonly takes?: string;
  /** What `N` may be at least; left out: 1. */
  readonly least?: number;
  /** The only values; left out: any. */
  readonly among?: readonly string[];
  readonly help: string;
}

export interface Program<Flags extends Readonly<Record<string, Flag>>> {
  /** What a user writes before the flags. */
  readonly command: string;
  /** In a sentence or two. */
  readonly does: string;
  readonly flags: Flags;
  /** Words that are no flags, as the help has them; left out: none are taken. */
  readonly words?: string;
  /** When it ends with 1. */
  readonly fails: string;
}

interface Parsed<Flags extends Readonly<Record<string, Flag>>> {
  readonly values: ReturnType<typeof parseArgs<{ options: Flags }>>["values"];
  /** Words that are no flags. */
  readonly positionals: readonly string[];
}

/** Width of the help, in characters. */
const width = 100;

/**
 * Flags that a program of the load tests was started with. `--help` prints what there is to say and
 * ends the process with 0; a flag that it does not take, or a value that none may have, ends it
 * with 2 and a sentence on standard error.
 */
export function programFlags<const Flags extends Readonly<Record<string, Flag>>>(
  program: Program<Flags>,
): Parsed<Flags> {
  const args = process.argv.slice(2);
  if (args.slice(0, endOfFlags(args)).includes("--help")) {
    console.log(helpOf(program));
    process.exit(0);
  }
  const found = parsed(program, args);
  const problem = wrongValue(program.flags, found.values);
  if (problem !== null) refuse(problem);
  return found;
}

/** Ends the process with 2. */
export function refuse(problem: string): never {
  console.error(`${problem}. --help says what there is.`);
  process.exit(2);
}

function endOfFlags(args: readonly string[]): number {
  const end = args.indexOf("--");
  return end === -1 ? args.length : end;
}

function parsed<const Flags extends Readonly<Record<string, Flag>>>(
  { flags, words }: Program<Flags>,
  args: readonly string[],
): Parsed<Flags> {
  try {
    const allowPositionals: true = true;
    const found = parseArgs({ args: [...args], options: flags, allowPositionals });
    if (words !== undefined || found.positionals.length === 0) return found;
    return refuse(`${found.positionals[0]}: it takes flags alone`);
  } catch (error) {
    const flag = args.slice(0, endOfFlags(args)).find((arg) => {
      return arg.startsWith("-") && flags[nameOf(arg)] === undefined;
    });
    if (flag !== undefined) {
      const name = nameOf(flag);
      const names = ["help", ...Object.keys(flags)].map((each) => `--${each}`);
      return refuse(`${flag.replace(/=.*$/s, "")}: no such flag${nearest(`--${name}`, names)}`);
    }
    // A known flag without its value, or with one that it does not take: Node's first sentence.
    return refuse(firstSentence((error as Error).message));
  }
}

function firstSentence(text: string): string {
  const [line = ""] = text.split("\n", 1);
  const [sentence = ""] = line.split(". ", 1);
  return sentence;
}

function nameOf(arg: string): string {
  return arg.replace(/^--?/, "").replace(/=.*$/s, "");
}

function wrongValue(
  flags: Readonly<Record<string, Flag>>,
  values: Readonly<Record<string, unknown>>,
): string | null {
  for (const [name, flag] of Object.entries(flags)) {
    const text = values[name];
    if (typeof text !== "string") continue;
    const { takes = "", least = 1, among } = flag;
    const isList = takes.endsWith(",…");
    const parts = isList ? text.split(",") : [text];
    const kind = isList ? takes.slice(0, -2) : takes;
    const advice = parts.every((part) => among?.includes(part) ?? true)
      ? checks[kind]?.(parts, least)
      : `one of ${among?.join(", ")}`;
    if (advice != null) return `--${name} ${text}: write ${advice}`;
  }
  return null;
}

/** What to write instead; null: nothing is wrong. */
const checks: Readonly<Record<string, (parts: readonly string[], least: number) => string | null>> =
  {
    N: (parts, least) =>
      parts.every((each) => /^\d+$/.test(each) && Number(each) >= least)
        ? null
        : `a whole number, at least ${least}`,
    TIME: (parts) => (parts.every(isDuration) ? null : "a time like 30s or 5m"),
    DATE: (parts) =>
      parts.every((each) => parseTime(each) !== null) ? null : "a UTC time like 2001-01-04",
  };

function helpOf<Flags extends Readonly<Record<string, Flag>>>(program: Program<Flags>): string {
  const { command, does, flags, words, fails } = program;
  const all: Readonly<Record<string, Flag>> = {
    ...flags,
    help: { type: "boolean", help: "prints this" },
  };
  const lines = Object.entries(all).map(([name, { takes, help, among, default: byDefault }]) => {
    const words = among === undefined ? help : `${help}: ${among.join(", ")}`;
    const isSaid = typeof byDefault === "string";
    const text = isSaid ? `${words} (left out: ${byDefault})` : words;
    return [`--${name}${takes === undefined ? "" : ` ${takes}`}`, text] as const;
  });
  const margin = 4 + Math.max(...lines.map(([flag]) => flag.length));
  return [
    `${command} [flags]${words === undefined ? "" : ` ${words}`}`,
    "",
    ...wrapped(does, width),
    "",
    ...lines.flatMap(([flag, text]) => {
      const [first = "", ...rest] = wrapped(text, width - margin);
      return [`  ${flag}`.padEnd(margin) + first, ...rest.map((each) => " ".repeat(margin) + each)];
    }),
    "",
    ...wrapped(`Ends with 0, with 1 ${fails}, and with 2 where flags are wrong.`, width),
  ].join("\n");
}

function wrapped(text: string, most: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) as string;
    if (line !== "" && line.length + 1 + word.length > most) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}
