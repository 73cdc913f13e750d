import { readFileSync } from "node:fs";
import { MillraceError } from "../schemas/errors.ts";
import { settingsOfMode } from "./config/live-settings.ts";
import { nearest } from "./config/nearest.ts";
import { clusterAccess } from "./config/server-access.ts";
import { serverSettingNames } from "./config/server-settings.ts";
import {
  type Config,
  flagName,
  type SettingName,
  settingNames,
  settings,
  variableName,
} from "./config/settings.ts";

/** Where a value came from. */
export type Origin = "default" | "file" | "environment" | "flag";

export interface ResolvedConfig {
  readonly config: Config;
  /** By setting: where the value came from, e.g. `MILLRACE_DATA` or `--data`. */
  readonly origins: Readonly<Record<SettingName, string>>;
  /** By setting: the value as written, secrets masked. */
  readonly shown: Readonly<Record<SettingName, string>>;
}

export interface ConfigSources {
  /** Flags as given, by setting name. @default none */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** @default the environment of the process */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Path of the configuration file; it may be missing. @default "millrace.config.json" */
  readonly file?: string;
  /** What is wrong with the command line besides, e.g. unknown flags. @default nothing */
  readonly problems?: readonly string[];
  /** Says what is wrong with values that can be read, e.g. against the data. @default nothing */
  readonly check?: (values: CheckedValues) => readonly string[];
}

/** The values that could be read, and where each came from. */
export interface CheckedValues {
  readonly values: Partial<Config>;
  /** As `ResolvedConfig.origins`. */
  readonly origins: ReadonlyMap<SettingName, string>;
}

/** Variables of the local stack and of the tests; no settings of a run. */
const otherVariables = new Set(["MILLRACE_CACHE", "MILLRACE_REQUIRE_ALL"]);

const serverPorts = ["kafkaPort", "registryPort", "redisPort", "clickhousePort"] as const;

/** Settings that mean something on some stacks alone. */
const settingsOfStack: Readonly<Record<Config["stack"], readonly SettingName[]>> = {
  embedded: ["http"],
  local: serverPorts,
  compose: serverPorts,
  cluster: serverSettingNames,
};

/**
 * Flags over MILLRACE_* variables over `millrace.config.json` over defaults. The environment is
 * read here and nowhere else.
 *
 * @throws {MillraceError} CONFIG_INVALID naming all at once: unknown flags, variables and keys,
 * wrong values, and what the check finds.
 */
export function resolveConfig(sources: ConfigSources = {}): ResolvedConfig {
  const path = sources.file ?? "millrace.config.json";
  const problems = [...(sources.problems ?? [])];
  const layers = [
    flagLayer(sources.flags ?? {}),
    environmentLayer(sources.env ?? process.env, problems),
    fileLayer(path, problems),
  ];
  const values = new Map<SettingName, unknown>();
  const origins = new Map<SettingName, string>();
  const shown = new Map<SettingName, string>();
  for (const name of settingNames) {
    const found = layers.find((layer) => layer.has(name))?.get(name) ?? {
      value: settings[name].default,
      origin: "default",
    };
    const parsed = settings[name].schema.safeParse(found.value);
    if (parsed.success) values.set(name, parsed.data);
    else {
      const reason = parsed.error.issues[0]?.message ?? "cannot be read";
      const value = settings[name].echoed ? `${JSON.stringify(found.value)}: ` : "";
      problems.push(`${found.origin}: ${value}${reason}`);
    }
    origins.set(name, found.origin);
    shown.set(name, show(name, found.value));
  }
  const stack = values.get("stack") as Config["stack"] | undefined;
  const mode = values.get("live") === true ? "live" : "replay";
  if (stack !== undefined && origins.get("data") === "default") {
    const data = `.millrace/${stack}${mode === "live" ? "-live" : ""}`;
    values.set("data", data);
    shown.set("data", data);
  }
  problems.push(...secretFlags(origins), ...flagsOfOtherStack(stack, origins));
  problems.push(...flagsOfOtherMode(mode, origins));
  const [from, to] = [values.get("from"), values.get("to")];
  if (typeof from === "number" && typeof to === "number" && from >= to) {
    problems.push(`from (${shown.get("from")}) must lie before to (${shown.get("to")})`);
  }
  if (values.get("stack") === "embedded" && Number(values.get("workers")) > 1) {
    const origin = origins.get("workers");
    problems.push(`${origin}: several workers need servers that they share: add --stack local`);
  }
  const config = Object.fromEntries(values) as unknown as Config;
  problems.push(...(sources.check?.({ values: config, origins }) ?? []));
  const serversAreRead = serverSettingNames.every((name) => values.has(name));
  if (stack === "cluster" && serversAreRead) clusterAccess(config, problems);
  refuse(problems);
  return {
    config,
    origins: Object.fromEntries(origins) as Record<SettingName, string>,
    shown: Object.fromEntries(shown) as Record<SettingName, string>,
  };
}

/** @throws {MillraceError} CONFIG_INVALID when there is a problem. */
export function refuse(problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new MillraceError("CONFIG_INVALID", {
    count: problems.length,
    problems: problems.map((problem) => `- ${problem}`).join("\n"),
  });
}

/** Every user of a machine sees the arguments of all processes on it. */
function secretFlags(origins: ReadonlyMap<SettingName, string>): string[] {
  return settingNames
    .filter((name) => "secret" in settings[name] && origins.get(name)?.startsWith("--") === true)
    .map(
      (name) =>
        `--${flagName(name)}: a secret is not taken from the command line, which others can ` +
        `see: set ${variableName(name)}, or name a file with --${flagName(name)}-file`,
    );
}

/** A flag is meant for this very start; variables and the file may serve several stacks. */
function flagsOfOtherStack(
  stack: Config["stack"] | undefined,
  origins: ReadonlyMap<SettingName, string>,
): string[] {
  if (stack === undefined) return [];
  const problems: string[] = [];
  for (const name of settingNames) {
    const owners = Object.entries(settingsOfStack).filter(([, names]) => names.includes(name));
    const owned = owners.length === 0 || owners.some(([owner]) => owner === stack);
    if (owned || origins.get(name)?.startsWith("--") !== true) continue;
    const wanted = owners.map(([owner]) => owner).join(" or ");
    problems.push(`--${flagName(name)}: goes with --stack ${wanted}, not ${stack}`);
  }
  return problems;
}

/** As with stacks: variables and the file may serve both modes. */
function flagsOfOtherMode(
  mode: keyof typeof settingsOfMode,
  origins: ReadonlyMap<SettingName, string>,
): string[] {
  const isLive = mode === "live";
  const remedy = isLive ? "goes with a replay, not with --live" : "goes with --live";
  return settingsOfMode[isLive ? "replay" : "live"]
    .filter((name) => origins.get(name)?.startsWith("--") === true)
    .map((name) => `--${flagName(name)}: ${remedy}`);
}

type Layer = ReadonlyMap<SettingName, { readonly value: unknown; readonly origin: string }>;

/** Unknown flags are found by the command line, which knows what each command takes. */
function flagLayer(flags: Readonly<Record<string, unknown>>): Layer {
  return new Map(
    settingNames
      .filter((name) => flags[name] !== undefined)
      .map((name) => [name, { value: flags[name], origin: `--${flagName(name)}` }]),
  );
}

function environmentLayer(
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Layer {
  const byVariable = new Map(settingNames.map((name) => [variableName(name), name]));
  const layer = new Map<SettingName, { value: unknown; origin: string }>();
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith("MILLRACE_") || value === undefined) continue;
    const name = byVariable.get(variable);
    if (name !== undefined) layer.set(name, { value, origin: variable });
    else if (!otherVariables.has(variable)) {
      problems.push(`${variable}: there is no such setting${nearest(variable, byVariable.keys())}`);
    }
  }
  return layer;
}

function fileLayer(path: string, problems: string[]): Layer {
  const layer = new Map<SettingName, { value: unknown; origin: string }>();
  for (const [key, value] of Object.entries(readObject(path, problems))) {
    const name = settingNames.find((each) => each === key);
    if (name !== undefined) layer.set(name, { value, origin: `${path}: ${key}` });
    else problems.push(`${path}: ${key}: there is no such setting${nearest(key, settingNames)}`);
  }
  return layer;
}

function readObject(path: string, problems: string[]): object {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") problems.push(`${path}: ${message}`);
    return {};
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    problems.push(`${path}: write one JSON object`);
  } catch (error) {
    problems.push(`${path}: ${jsonProblem(text, error as Error)}`);
  }
  return {};
}

/** What the parser says quotes the text around the mistake, where a secret may stand. */
function jsonProblem(text: string, { message }: Error): string {
  const position = /at position (\d+)/.exec(message)?.[1];
  const line = text.slice(0, Number(position ?? 0)).split("\n").length;
  const where = position === undefined ? "somewhere" : `in line ${line}`;
  return `this is no JSON: quotes, a comma or a bracket are wrong ${where}`;
}

function show(name: SettingName, value: unknown): string {
  if ("secret" in settings[name] && value !== null) return "********";
  if (value === null) return "none";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(", ");
  return String(value);
}
