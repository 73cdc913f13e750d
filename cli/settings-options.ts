import { type Command, Option } from "commander";
import { serverSettings } from "../runtime/config/server-settings.ts";
import {
  flagName,
  type Command as Kind,
  settingNames,
  settings,
} from "../runtime/config/settings.ts";

/** Gives a command the flags of the settings that concern it. */
export function addSettings(command: Command, kind: Kind): Command {
  for (const name of settingNames) {
    const { commands, argument, doc, repeatable, default: fallback } = settings[name];
    if (!commands.some((each) => each === kind)) continue;
    const flag = `--${flagName(name)}${argument === null ? "" : ` ${argument}`}`;
    const shown = Array.isArray(fallback) || fallback === null ? "" : ` (default: ${fallback})`;
    const option = new Option(flag, `${doc}${shown}`);
    if (name in serverSettings) option.helpGroup("Servers of --stack cluster:");
    // Known, so that it is refused with the reason, but not offered.
    if ("secret" in settings[name]) option.hideHelp();
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
): Record<string, unknown> {
  const names = settingNames.filter((name) =>
    settings[name].commands.some((each) => each === kind),
  );
  return Object.fromEntries(names.map((name) => [name, options[name]]));
}
