import { type Command, Help, type Option } from "commander";
import { type ResolvedConfig, resolveConfig } from "../runtime/config.ts";
import type { Look } from "./commands/look.ts";
import { type LookArguments, readLookOptions } from "./look-options.ts";
import { checkRunSettings } from "./run/check-run-settings.ts";
import type { LoadedApplication } from "./run/claim.ts";
import { addSettings, settingFlags } from "./settings-options.ts";

/** What a command leaves and what is known before it begins. */
export interface CommandLine {
  code: number;
  /** Unknown flags. */
  problems: readonly string[];
  /** Null: nothing says which one is meant, or it does not matter. */
  application: LoadedApplication | null;
}

export type Flags = Readonly<Record<string, unknown>>;

export const ownSettings = ({ application }: CommandLine) => application?.spec.settings ?? {};

/** The configuration of a command that runs an application: checked against it, too. */
export function resolve(flags: Flags, kind: "run" | "replay", line: CommandLine): ResolvedConfig {
  const own = ownSettings(line);
  const spec = line.application?.spec;
  return resolveConfig({
    own,
    flags: settingFlags(flags, kind, own),
    problems: line.problems,
    check: (checked) => [
      ...(spec?.check(checked) ?? []),
      ...checkRunSettings(spec?.topologies ?? [], checked),
    ],
  });
}

export function resolveLook(
  flags: Flags,
  line: CommandLine,
  kind: "look" | "verify" | "serve" = "look",
): Look & LookArguments {
  const { application } = line;
  const own = ownSettings(line);
  const read = readLookOptions(flags);
  const problems = [...line.problems, ...read.problems];
  const config = resolveConfig({ own, flags: settingFlags(flags, kind, own), problems });
  return { ...read, ...config, application };
}

export function resolveLocal(flags: Flags, { problems }: CommandLine): ResolvedConfig {
  return resolveConfig({ flags: { ...settingFlags(flags, "stack"), stack: "local" }, problems });
}

export const moduleDoc =
  "module that exports the application, .ts or .js (default: the data directory's)";

/**
 * The path of the module is taken from the arguments before they are parsed, wherever it stands;
 * what is left in its place is none. The value of an unknown flag may stand there.
 */
export function refuseModule(line: CommandLine, given: string | undefined): void {
  if (given === undefined || line.problems.length > 0) return;
  line.problems = [`${given}: this is no module: name a .ts or .js file`];
}

/** Heading of what says where to look: behind the options of the command itself. */
const ofTheStack = "Where to look:";

/** Groups of a help, that of the command's own options before those of where to look. */
export function ownFirst<T extends Command | Option>(
  unsorted: T[],
  visible: T[],
  getGroup: (item: T) => string,
): Map<string, T[]> {
  const groups = new Help().groupItems(unsorted, visible, getGroup);
  const own = groups.get("Options:");
  return own === undefined ? groups : new Map([["Options:", own], ...groups]);
}

export function looking(command: Command): Command {
  return addSettings(command, "look", {}, ofTheStack).option("--json", "print JSON");
}

export function example(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
