import { type Command, Option } from "commander";
import { serverSettings } from "../runtime/config/server-settings.ts";
import {
  flagName,
  type Command as Kind,
  type SettingTable,
  settings,
} from "../runtime/config/settings.ts";

/** Longest argument shown in a flag; a longer list of words stands behind its text. */
const longestArgument = 16;

interface Shown {
  readonly doc: string;
  readonly default: unknown;
}

/** What a setting means for commands that do not run anything. */
const otherwise: Readonly<Record<string, Readonly<Record<string, Shown>>>> = {
  look: {
    live: {
      doc: "Of a live run: with its data directory, .millrace/embedded-live and so on.",
      default: false,
    },
  },
  stack: {
    data: { doc: "Data directory, owner-only.", default: ".millrace/local" },
    live: { doc: "With the data directory of a live run, .millrace/local-live.", default: false },
  },
};

/**
 * Gives a command the flags of the settings that concern it.
 *
 * @param own - of the application, beside those of every one.
 * @param heading - what they stand under in the help. @default that of the command's own options
 */
export function addSettings(
  command: Command,
  kind: Kind,
  own: SettingTable = {},
  heading?: string,
): Command {
  for (const [name, setting] of Object.entries(concerning(kind, own))) {
    const { argument, repeatable } = setting;
    const { doc, default: fallback } = otherwise[isLook(kind) ? "look" : kind]?.[name] ?? setting;
    const isLong = (argument?.length ?? 0) > longestArgument;
    const words = isLong ? /^<(.+\|.+)>$/.exec(argument ?? "")?.[1]?.split("|") : undefined;
    const shape = words === undefined ? argument : "<word>";
    const flag = `--${flagName(name)}${shape === null ? "" : ` ${shape}`}`;
    const choice = words === undefined ? "" : ` One of ${words.join(", ")}.`;
    const isPlain = typeof fallback === "string" || typeof fallback === "number";
    const shown = isPlain ? ` (default: ${fallback})` : "";
    const option = new Option(flag, `${doc}${choice}${shown}`);
    if (heading !== undefined) option.helpGroup(heading);
    if (name in serverSettings) option.helpGroup("Servers of --stack cluster:");
    if (name in own) option.helpGroup("Of the application:");
    // Known, so that it is refused with the reason, but not offered.
    if (setting.secret === true) option.hideHelp();
    if (repeatable) {
      option.argParser((value: string, before: string[] | undefined) => [
        ...(before ?? []),
        ...value.split(","),
      ]);
    }
    command.addOption(option);
  }
  return command;
}

/** The flags among a command's options that are settings; others may have a setting's name. */
export function settingFlags(
  options: Readonly<Record<string, unknown>>,
  kind: Kind,
  own: SettingTable = {},
): Record<string, unknown> {
  const names = Object.keys(concerning(kind, own));
  return Object.fromEntries(names.map((name) => [name, options[name]]));
}

/** What a command takes: `verify` and `serve` are looks with settings of their own. */
function concerning(kind: Kind, own: SettingTable): SettingTable {
  const kinds: readonly Kind[] = isLook(kind) ? ["look", kind] : [kind];
  const table: SettingTable = { ...settings, ...own };
  return Object.fromEntries(
    Object.entries(table).filter(([, { commands }]) =>
      commands.some((each) => kinds.includes(each)),
    ),
  );
}

function isLook(kind: Kind): boolean {
  return kind === "verify" || kind === "serve";
}
