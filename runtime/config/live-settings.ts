import { z } from "zod";
import { durationMs, isDuration } from "../../schemas/duration.ts";
import { setting } from "./setting.ts";
import {
  duration,
  integer,
  optionalDuration,
  type SettingType,
  texts,
  toggle,
} from "./setting-types.ts";

/** A time in which a partition of both source topics gets no generated flights. */
export interface Silence {
  readonly partition: number;
  /** From the start of the load on, ms. */
  readonly startMs: number;
  readonly lengthMs: number;
}

const silences: SettingType<readonly Silence[]> = {
  ...texts,
  schema: texts.schema.transform((all, context) => {
    const read = all.map(readSilence);
    if (read.every((silence) => silence !== null)) return read;
    context.addIssue("write PARTITION@START+LENGTH, e.g. 2@1m+30s");
    return z.NEVER;
  }),
  argument: "<silence>",
};

function readSilence(text: string): Silence | null {
  const [, partition = "", start = "", length = ""] = /^(\d+)@(\w+)\+(\w+)$/.exec(text) ?? [];
  if (!isDuration(start) || !isDuration(length)) return null;
  return {
    partition: Number(partition),
    startMs: durationMs(start),
    lengthMs: durationMs(length),
  };
}

/** Settings of live mode. */
export const liveSettings = Object.freeze({
  live: setting(toggle, {
    default: false,
    doc: "Take records as they come, by the wall clock, instead of replaying; data in .millrace/embedded-live and so on.",
    commands: ["run", "look", "stack"],
  }),
  for: setting(optionalDuration, {
    default: null,
    doc: "Live: how long to run; without it until Ctrl-C.",
    commands: ["run"],
  }),
  rate: setting(integer(0, 100_000), {
    default: 0,
    doc: "Live: events a second of the load generator, both topics together; 0: other producers send.",
    commands: ["run"],
  }),
  maxWait: setting(duration, {
    default: "5s",
    doc: "Live: longest wait for records that may lie before one; what is then missing makes a prediction incomplete.",
    commands: ["run"],
  }),
  flightTime: setting(duration, {
    default: "30s",
    doc: "Live: time from departure to arrival of a generated flight.",
    commands: ["run"],
  }),
  silent: setting(silences, {
    default: [],
    doc: "Live: partitions without generated flights for a time, PARTITION@START+LENGTH, e.g. 2@1m+30s, for tests.",
    commands: ["run"],
  }),
});

/** Settings that mean something in one mode alone. */
export const settingsOfMode = {
  live: ["for", "rate", "maxWait", "flightTime", "silent"],
  replay: ["from", "to", "inject"],
} as const;
