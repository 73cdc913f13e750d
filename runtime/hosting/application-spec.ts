import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import type { Config, ConfigWith, SettingTable } from "../config/settings.ts";
import type { CheckedValues } from "../config.ts";
import type { Stack } from "./stack.ts";

/** What every part of an application is given of a run. */
export interface RunPart<Values = Config> {
  readonly plans: readonly Plan[];
  readonly stack: Stack;
  /** Settings of every application and its own, resolved. */
  readonly config: Values;
}

/** Event time `[from, to)`, UTC ms. */
export interface EventRange {
  readonly from: number;
  readonly to: number;
}

export interface ReplayFeed<Values = Config> extends RunPart<Values> {
  /** Stops it; what was sent stands, and the next start goes on there. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: FeedProgress) => void;
}

export interface FeedProgress {
  /** Event time up to which everything is sent, UTC ms. */
  readonly eventTime: number;
  /** Share of the range that is sent, 0 to 1. */
  readonly share: number;
  /** Records sent by this start. */
  readonly sentNow: number;
}

export interface FeedReport {
  /** Records by topic, earlier starts included. */
  readonly sent: Readonly<Record<string, number>>;
  /** Records of this start. */
  readonly sentNow: number;
  /** False when the signal stopped it before its end. */
  readonly complete: boolean;
}

export interface LiveFeed<Values = Config> extends RunPart<Values> {
  readonly signal: AbortSignal;
  /** When the run began, whichever start of it this is, UTC ms. */
  readonly began: number;
  /** Nothing with an event time at or after it counts, UTC ms; null: on and on. */
  readonly until: number | null;
}

/**
 * Sends records beside a run, in its process. It may create its topics. A replay ends each source
 * with source watermarks; it must be repeatable: started again, nothing is sent twice.
 */
export interface Feeder<Values = Config> {
  /** Event time that a replay covers. */
  range(config: Values): EventRange;
  /**
   * What makes a replay another one besides its start, as texts that are compared: a data directory
   * keeps to it. @default nothing
   */
  identity?(config: Values): readonly string[];
  replay(feed: ReplayFeed<Values>): Promise<FeedReport>;
  /** What a replay would send, for people. @default there is no `replay --dry-run` */
  preview?(config: Values): Promise<string>;
  /** Returns what the summary says of it, null when it sent nothing. @default nothing is sent */
  live?(feed: LiveFeed<Values>): Promise<Readonly<Record<string, unknown>> | null>;
}

export interface CheckRun<Values = Config> extends RunPart<Values> {
  readonly live: boolean;
  readonly range: EventRange;
  /** As the feeder said of the run. */
  readonly identity: readonly string[];
  readonly onStep: (share: number, what: string) => void;
}

export interface CheckReport {
  /** One line for people. */
  readonly text: string;
  /** Stands in the JSON of `verify`. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Empty when all is right. */
  readonly problems: readonly string[];
}

/** A check of a finished run that `verify` does besides its own; null: it was not asked for. */
export type Check<Values = Config> = (run: CheckRun<Values>) => Promise<CheckReport | null>;

export interface ReportedRun<Values = Config> extends RunPart<Values> {
  /** What the feeder returned of a live run; null otherwise. */
  readonly fed: Readonly<Record<string, unknown>> | null;
}

export interface ApplicationOptions<Own extends SettingTable> {
  /** @default the name of its only topology */
  readonly name?: string;
  /** One or several; these run side by side. */
  readonly topologies: Plan | readonly Plan[];
  /**
   * Flags, variables and keys of its own; one with the name of a general setting gives that another
   * default. @default none
   */
  readonly settings?: Own;
  /** What is wrong with settings that can be read, before anything starts. @default nothing */
  readonly check?: (checked: CheckedValues<ConfigWith<Own>>) => readonly string[];
  /** What a start is about, on the first line, from the values as written. @default its mode */
  readonly title?: (shown: Readonly<Record<string, string>>, config: ConfigWith<Own>) => string;
  /** @default nobody: producers send */
  readonly feeder?: Feeder<ConfigWith<Own>>;
  /** @default none */
  readonly checks?: readonly Check<ConfigWith<Own>>[];
  /** Lines of its own below the summary. @default none */
  readonly report?: (run: ReportedRun<ConfigWith<Own>>) => readonly string[];
}

/** What a module exports for `millrace run`: topologies, and what belongs to them. */
export interface ApplicationSpec {
  readonly name: string;
  readonly topologies: readonly Plan[];
  readonly settings: SettingTable;
  readonly check: (checked: CheckedValues) => readonly string[];
  readonly title: ((shown: Readonly<Record<string, string>>, config: Config) => string) | null;
  readonly feeder: Feeder | null;
  readonly checks: readonly Check[];
  readonly report: (run: ReportedRun) => readonly string[];
}

/**
 * An application from its parts. Connects to nothing.
 *
 * @throws {MillraceError} APPLICATION_INVALID naming what cannot run side by side.
 * @example export default application({ topologies: topology("payments", { scores, disputed }) })
 */
export function application<const Own extends SettingTable = Record<never, never>>(
  options: ApplicationOptions<Own>,
): ApplicationSpec {
  const topologies = [options.topologies].flat() as readonly Plan[];
  const name = options.name ?? (topologies.length === 1 ? (topologies[0]?.name ?? "") : "");
  const problems = problemsOf(name, topologies);
  if (problems.length > 0) {
    const lines = problems.map((problem) => `- ${problem}`).join("\n");
    throw new MillraceError("APPLICATION_INVALID", { application: name || "?", problems: lines });
  }
  const { settings = {}, check = () => [], title = null, feeder = null, checks = [] } = options;
  const { report = () => [] } = options;
  // Its parts get the values of its own settings, too: `resolveConfig` reads them with the others.
  const parts = { check, title, feeder, checks, report } as unknown as Omit<
    ApplicationSpec,
    "name" | "topologies" | "settings"
  >;
  return Object.freeze({ name, topologies: Object.freeze([...topologies]), settings, ...parts });
}

/** Whether a value is an application, from whatever copy of this module. */
export function isApplication(value: unknown): value is ApplicationSpec {
  if (typeof value !== "object" || value === null) return false;
  const { topologies, checks } = value as Partial<ApplicationSpec>;
  return Array.isArray(topologies) && topologies.every(isPlan) && Array.isArray(checks);
}

/** Whether a value is what `topology()` builds. */
export function isPlan(value: unknown): value is Plan {
  if (typeof value !== "object" || value === null) return false;
  const { name, fingerprint, subtopologies } = value as Partial<Plan>;
  return (
    typeof name === "string" && typeof fingerprint === "string" && Array.isArray(subtopologies)
  );
}

function problemsOf(name: string, topologies: readonly Plan[]): string[] {
  const problems: string[] = [];
  if (topologies.length === 0) problems.push("it has no topology");
  else if (name === "") problems.push("of several topologies none gives it a name: give it one");
  const owners = new Map<string, string>();
  const partitions = new Map<string, number>();
  const claim = (what: string, topology: string) => {
    const owner = owners.get(what);
    if (owner !== undefined) problems.push(`${what} is in ${owner} and in ${topology}`);
    owners.set(what, topology);
  };
  for (const plan of topologies) {
    claim(`the topology ${plan.name}`, plan.name);
    for (const { name, role } of plan.topics) {
      // Sources belong to whoever writes them.
      if (role !== "source") claim(`the topic ${name}`, plan.name);
    }
    for (const { topic } of plan.sources) {
      const before = partitions.get(topic) ?? plan.partitions;
      partitions.set(topic, before);
      if (before === plan.partitions) continue;
      problems.push(`${topic} has ${before} and ${plan.partitions} partitions`);
    }
  }
  return problems;
}
