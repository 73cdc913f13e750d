import { artifactsSettings } from "./artifacts-settings.ts";
import { gatewaySettings } from "./gateway-settings.ts";
import { liveSettings } from "./live-settings.ts";
import { serverSettings } from "./server-settings.ts";
import { type SettingsOf, type SettingTable, setting } from "./setting.ts";
import {
  factors,
  integer,
  optionalPath,
  path,
  port,
  serverPort,
  toggle,
  word,
} from "./setting-types.ts";

export type { Command, SettingsOf, SettingTable } from "./setting.ts";

const everywhere = ["run", "replay", "look"] as const;
const withServers = [...everywhere, "stack"] as const;

/** Of every application: flags, variables, the file's keys, `config` and help come from it. */
export const settings = Object.freeze({
  stack: setting(word(["embedded", "local", "compose", "cluster"]), {
    default: "embedded",
    doc: "Servers to run on: none, started here, of docker compose, or by their addresses.",
    commands: everywhere,
  }),
  data: setting(path, {
    default: ".millrace/embedded",
    doc: "Data directory, owner-only; of another stack by default .millrace/local and so on.",
    commands: withServers,
  }),
  fresh: setting(toggle, {
    default: false,
    doc: "Empty the data directory first.",
    commands: ["run", "replay"],
  }),
  wait: setting(toggle, {
    default: false,
    doc: "Wait at the start for servers that are away, as a run does later, instead of ending.",
    commands: ["run"],
  }),
  createSources: setting(toggle, {
    default: false,
    doc: "Make the source topics that are missing; else they are their producers' to make.",
    commands: ["run"],
  }),
  acceptGaps: setting(toggle, {
    default: false,
    doc: "Go on where records are gone that were never read or stored; verify counts them.",
    commands: ["run"],
  }),
  points: setting(integer(0, 1_000_000_000), {
    default: 0,
    doc: "Also recompute so many look-ups of a replay in SQL over the records of its sources.",
    commands: ["verify"],
  }),
  summary: setting(optionalPath, {
    default: null,
    doc: "File for the summary as JSON.",
    commands: ["run"],
  }),
  http: setting(port, {
    default: "off",
    doc: "Port of ClickHouse's HTTP interface of the embedded stack on 127.0.0.1.",
    commands: ["run"],
  }),
  metrics: setting(port, {
    default: 0,
    doc: "Port of /metrics on 127.0.0.1; 0 takes a free one.",
    commands: ["run"],
  }),
  logLevel: setting(word(["silent", "error", "warn", "info", "debug"]), {
    default: "warn",
    doc: "Least severity of log lines (JSON on standard error).",
    commands: ["run"],
  }),
  commitIntervalMs: setting(integer(0, 60_000), {
    default: 100,
    doc: "Longest time between two commits, ms.",
    commands: ["run"],
  }),
  scoringThreads: setting(integer(1, 64), {
    default: 1,
    doc: "Threads that score; a gateway has as many of its own, once it is asked.",
    commands: ["run", "serve"],
  }),
  workers: setting(integer(1, 64), {
    default: 1,
    doc: "Processes that share the tasks; more than one needs servers, not --stack embedded.",
    commands: ["run"],
  }),
  slow: setting(factors, {
    default: [],
    doc: "Slows the reading of a source topic by a factor against the others, for tests.",
    commands: ["run"],
  }),
  stateBudgetMb: setting(integer(1, 65_536), {
    default: 512,
    doc: "Size that the state of one task may have as it is written, MB; beyond it the run stops.",
    commands: ["run"],
  }),
  rowTopicMb: setting(integer(1, 1_048_576), {
    default: 256,
    doc: "Size that a partition of a row topic is kept up to, MB; what is purged is tallied.",
    commands: ["run"],
  }),
  labelEntries: setting(integer(4, 1_000_000_000), {
    default: 200_000,
    doc: "Open predictions that a task keeps in memory, early labels, and ids; the others stand on disk.",
    commands: ["run"],
  }),
  offlineMemoryMb: setting(integer(256, 1_048_576), {
    default: 1536,
    doc: "Limit of all queries of chDB together, MB; on the local stack from its next start.",
    commands: withServers,
  }),
  kafkaPort: setting(serverPort, {
    default: null,
    doc: "Port of the Kafka on 127.0.0.1 (local, compose): as at its last start, else 9092.",
    commands: withServers,
  }),
  registryPort: setting(serverPort, {
    default: null,
    doc: "Port of the schema registry on 127.0.0.1 (local, compose): as at its last start, else 8081.",
    commands: withServers,
  }),
  redisPort: setting(serverPort, {
    default: null,
    doc: "Port of the Redis on 127.0.0.1 (local, compose): as at its last start, else 6379.",
    commands: withServers,
  }),
  clickhousePort: setting(serverPort, {
    default: null,
    doc: "Port of the ClickHouse interface on 127.0.0.1 (local, compose): as at its last start, else 8123.",
    commands: withServers,
  }),
  ...liveSettings,
  ...gatewaySettings,
  ...artifactsSettings,
  ...serverSettings,
});

export type SettingName = keyof typeof settings;

/** All settings, resolved. */
export type Config = SettingsOf<typeof settings>;

/** Those and the ones of an application, which may give one of those another default. */
export type ConfigWith<Own extends SettingTable> = Omit<Config, keyof Own> & SettingsOf<Own>;

export const settingNames = Object.keys(settings) as SettingName[];

/** `commitIntervalMs` → `commit-interval-ms`. */
export function flagName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `commitIntervalMs` → `MILLRACE_COMMIT_INTERVAL_MS`. */
export function variableName(name: string): string {
  return `MILLRACE_${flagName(name).replaceAll("-", "_").toUpperCase()}`;
}
