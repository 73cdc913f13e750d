import type { Command } from "commander";
import { peekConfig } from "../../runtime/config.ts";
import { readManifest } from "../../runtime/hosting/data-directory.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { LoadedApplication } from "../run/claim.ts";
import { isModulePath, loadApplication } from "./load-application.ts";

/** What the arguments of a command say about its application. */
export interface FoundApplication {
  /** Null: nothing says which it is. */
  readonly application: LoadedApplication | null;
  /** The arguments without the path of its module. */
  readonly args: readonly string[];
}

/** Commands that are about an application. */
const concerned = new Set([
  ...["run", "serve", "replay", "config", "topics", "describe", "diff", "dead-letters"],
  ...["features", "models", "sql", "score", "verify", "loadtest"],
]);

/**
 * The application of a command: the module that its arguments name, wherever among them, else the
 * one that the data directory belongs to.
 *
 * @throws {MillraceError} what `loadApplication` throws.
 */
export async function findApplication(
  program: Command,
  args: readonly string[],
): Promise<FoundApplication> {
  const command = program.commands.find((each) => each.name() === args[0]);
  if (command === undefined || !concerned.has(command.name())) return { application: null, args };
  const leaf = command.commands.find((each) => each.name() === args[1]) ?? command;
  const at = moduleAt(leaf, args);
  if (at >= 0) {
    const application = await loadApplication(args[at] as string);
    return { application, args: args.toSpliced(at, 1) };
  }
  const { data } = peekConfig(flagsIn(args));
  const manifest = await readManifest(data).catch(() => null);
  const module = manifest?.application?.module ?? null;
  return { application: module === null ? null : await loadApplication(module), args };
}

/** @throws {MillraceError} APPLICATION_UNNAMED when there is none. */
export function namedApplication(
  application: LoadedApplication | null,
  directory: string,
): LoadedApplication {
  if (application === null) throw new MillraceError("APPLICATION_UNNAMED", { directory });
  return application;
}

/** Where the module stands among the arguments, −1: nowhere. A flag's value is none. */
function moduleAt(command: Command, args: readonly string[]): number {
  const takesValue = (flag: string) =>
    command.options.some(({ long, required }) => long === flag && required);
  return args.findIndex(
    (arg, index) => index > 0 && isModulePath(arg) && !takesValue(args[index - 1] as string),
  );
}

/** The flags that say where the data are. */
function flagsIn(args: readonly string[]): Record<string, unknown> {
  const flags: Record<string, unknown> = {};
  for (const [index, arg] of args.entries()) {
    const [, name = "", value] = /^--(data|stack|live)(?:=(.*))?$/s.exec(arg) ?? [];
    if (name === "live") flags[name] = true;
    else if (name !== "") flags[name] = value ?? args[index + 1];
  }
  return flags;
}
