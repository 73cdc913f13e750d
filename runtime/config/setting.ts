import type { SettingType } from "./setting-types.ts";

/** One setting: flag `--scoring-threads`, variable `MILLRACE_SCORING_THREADS`, key in the file. */
export interface Setting<T> extends SettingType<T> {
  /** As it would be written. */
  readonly default: unknown;
  /** One line for people, with the unit. */
  readonly doc: string;
  /** Masked wherever it is shown, and refused as a flag, where `ps` would show it. */
  readonly secret?: true;
  /** Commands that take it as a flag. */
  readonly commands: readonly Command[];
  /** The mode in which alone it means something; a flag of it is refused in the other. */
  readonly mode?: "replay" | "live";
}

export type Command = "run" | "replay" | "look" | "verify" | "stack" | "serve" | "keys";

/** Settings by name, e.g. those that an application adds. */
export type SettingTable = Readonly<Record<string, Setting<unknown>>>;

/** The values of a table, resolved. */
export type SettingsOf<Table extends SettingTable> = {
  readonly [Name in keyof Table]: Table[Name] extends SettingType<infer T> ? T : never;
};

export function setting<T>(type: SettingType<T>, rest: Omit<Setting<T>, keyof SettingType<T>>) {
  return Object.freeze({ ...type, ...rest });
}
