import { readFileSync } from "node:fs";
import { MillraceError } from "../schemas/errors.ts";
import { nearest } from "../schemas/nearest.ts";
import { artifactsAccess } from "./config/artifacts-access.ts";
import { clusterAccess } from "./config/server-access.ts";
import { serverSettingNames } from "./config/server-settings.ts";
import { WrongSetting } from "./config/setting-types.ts";
import {
  type Config,
  flagName,
  type SettingTable,
  settings,
  variableName,
} from "./config/settings.ts";

/** Where a value came from. */
export type Origin = "default" | "file" | "environment" | "flag";

export interface ResolvedConfig {
  /** Of every application; the application's own stand beside them. */
  readonly config: Config;
  /** By setting: where the value came from, e.g. `MILLRACE_DATA` or `--data`. */
  readonly origins: Readonly<Record<string, string>>;
  /** By setting: the value as written, secrets masked. */
  readonly shown: Readonly<Record<string, string>>;
}

export interface ConfigSources {
  /** Settings that an application adds, or gives another default. @default none */
  readonly own?: SettingTable;
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
export interface CheckedValues<Values = Config> {
  readonly values: Partial<Values>;
  /** As `ResolvedConfig.origins`. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Variables of the local stack and of the tests; no settings of a run. */
const otherVariables = new Set(["MILLRACE_CACHE", "MILLRACE_REQUIRE_ALL"]);

const serverPorts = ["kafkaPort", "registryPort", "redisPort", "clickhousePort"] as const;

/** Settings that mean something on some stacks alone. */
const settingsOfStack: Readonly<Record<Config["stack"], readonly string[]>> = {
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
  const table: SettingTable = { ...settings, ...sources.own };
  const env = sources.env ?? process.env;
  const layers = [
    flagLayer(table, sources.flags ?? {}),
    environmentLayer(table, env, problems),
    fileLayer(table, path, problems),
  ];
  const values = new Map<string, unknown>();
  const origins = new Map<string, string>();
  const shown = new Map<string, string>();
  for (const [name, { default: fallback, read, echoed, secret }] of Object.entries(table)) {
    const found = layers.find((layer) => layer.has(name))?.get(name) ?? {
      value: fallback,
      origin: "default",
    };
    try {
      values.set(name, read(found.value));
    } catch (error) {
      if (!(error instanceof WrongSetting)) throw error;
      const reason = error.message;
      const value = echoed ? `${JSON.stringify(found.value)}: ` : "";
      problems.push(`${found.origin}: ${value}${reason}`);
    }
    origins.set(name, found.origin);
    shown.set(name, show(secret === true, found.value));
  }
  const stack = values.get("stack") as Config["stack"] | undefined;
  const mode = values.get("live") === true ? "live" : "replay";
  if (stack !== undefined && origins.get("data") === "default") {
    const data = defaultData(stack, mode === "live");
    values.set("data", data);
    shown.set("data", data);
  }
  problems.push(...secretFlags(table, origins), ...flagsOfOtherStack(table, stack, origins));
  problems.push(...flagsOfOtherMode(table, mode, origins));
  if (values.get("stack") === "embedded" && Number(values.get("workers")) > 1) {
    const origin = origins.get("workers");
    problems.push(`${origin}: several workers need servers that they share: add --stack local`);
  }
  const config = Object.fromEntries(values) as unknown as Config;
  problems.push(...(sources.check?.({ values: config, origins }) ?? []));
  const serversAreRead = serverSettingNames.every((name) => values.has(name));
  if (stack === "cluster" && serversAreRead) clusterAccess(config, problems);
  if (mayUseTls(stack, values.get("artifacts"))) problems.push(...tlsSwitchedOff(env));
  if (values.has("artifacts") && stack !== undefined) artifactsAccess(config, problems);
  refuse(problems);
  freezeParts(config);
  return { config, origins: Object.fromEntries(origins), shown: Object.fromEntries(shown) };
}

/** Nobody who is given a setting writes into it: others read it, and send it to other processes. */
function freezeParts(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freezeParts(part);
}

/** Where the data are, as far as that can be said before everything else is read. */
export function peekConfig(
  flags: Readonly<Record<string, unknown>>,
): Pick<Config, "stack" | "data" | "live"> {
  const { stack, data, live } = settings;
  const table: SettingTable = { stack, data, live };
  const layers = [
    flagLayer(table, flags),
    environmentLayer(table, process.env, []),
    fileLayer(table, "millrace.config.json", []),
  ];
  const read = (name: string) => {
    const found = layers.find((layer) => layer.has(name))?.get(name)?.value;
    try {
      return table[name]?.read(found);
    } catch {
      return undefined;
    }
  };
  const isLive = read("live") === true;
  const of = (read("stack") as Config["stack"] | undefined) ?? "embedded";
  const directory = (read("data") as string | undefined) ?? defaultData(of, isLive);
  return { stack: of, data: directory, live: isLive };
}

function defaultData(stack: Config["stack"], isLive: boolean): string {
  return `.millrace/${stack}${isLive ? "-live" : ""}`;
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
function secretFlags(table: SettingTable, origins: ReadonlyMap<string, string>): string[] {
  return Object.entries(table)
    .filter(([name, { secret }]) => secret === true && origins.get(name)?.startsWith("--") === true)
    .map(
      ([name]) =>
        `--${flagName(name)}: a secret is not taken from the command line, which others can ` +
        `see: set ${variableName(name)}, or name a file with --${flagName(name)}-file`,
    );
}

function mayUseTls(stack: Config["stack"] | undefined, artifacts: unknown): boolean {
  return stack === "cluster" || String(artifacts ?? "").startsWith("s3:");
}

/** Node would take any certificate then, for all servers alike. */
function tlsSwitchedOff(env: Readonly<Record<string, string | undefined>>): string[] {
  if (env["NODE_TLS_REJECT_UNAUTHORIZED"] !== "0") return [];
  return [
    "NODE_TLS_REJECT_UNAUTHORIZED: 0 takes whoever answers for the server: unset it, and name " +
      "the authority of the servers in the …CaFile settings, or in NODE_EXTRA_CA_CERTS",
  ];
}

/** A flag is meant for this very start; variables and the file may serve several stacks. */
function flagsOfOtherStack(
  table: SettingTable,
  stack: Config["stack"] | undefined,
  origins: ReadonlyMap<string, string>,
): string[] {
  if (stack === undefined) return [];
  const problems: string[] = [];
  for (const name of Object.keys(table)) {
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
  table: SettingTable,
  mode: "replay" | "live",
  origins: ReadonlyMap<string, string>,
): string[] {
  const remedy = mode === "live" ? "goes with a replay, not with --live" : "goes with --live";
  return Object.entries(table)
    .filter(([, setting]) => setting.mode !== undefined && setting.mode !== mode)
    .filter(([name]) => origins.get(name)?.startsWith("--") === true)
    .map(([name]) => `--${flagName(name)}: ${remedy}`);
}

type Layer = ReadonlyMap<string, { readonly value: unknown; readonly origin: string }>;

/** Unknown flags are found by the command line, which knows what each command takes. */
function flagLayer(table: SettingTable, flags: Readonly<Record<string, unknown>>): Layer {
  return new Map(
    Object.keys(table)
      .filter((name) => flags[name] !== undefined)
      .map((name) => [name, { value: flags[name], origin: `--${flagName(name)}` }]),
  );
}

function environmentLayer(
  table: SettingTable,
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Layer {
  const byVariable = new Map(Object.keys(table).map((name) => [variableName(name), name]));
  const layer = new Map<string, { value: unknown; origin: string }>();
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

function fileLayer(table: SettingTable, path: string, problems: string[]): Layer {
  const layer = new Map<string, { value: unknown; origin: string }>();
  for (const [key, value] of Object.entries(readObject(path, problems))) {
    if (Object.hasOwn(table, key)) layer.set(key, { value, origin: `${path}: ${key}` });
    else {
      const near = nearest(key, Object.keys(table));
      problems.push(`${path}: ${key}: there is no such setting${near}`);
    }
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

function show(secret: boolean, value: unknown): string {
  if (secret && value !== null) return "********";
  if (value === null) return "none";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(", ");
  return String(value);
}
