import { setting } from "../../runtime/config/setting.ts";
import {
  duration,
  integer,
  type SettingType,
  texts,
  time,
  WrongSetting,
} from "../../runtime/config/setting-types.ts";
import type { ConfigWith } from "../../runtime/config/settings.ts";
import { durationMs, isDuration } from "../../schemas/duration.ts";
import type { Silence } from "./load/load-schedule.ts";

const silences: SettingType<readonly Silence[]> = {
  ...texts,
  read: (written) => {
    const all = texts.read(written).map(readSilence);
    if (all.every((silence) => silence !== null)) return all;
    throw new WrongSetting("write PARTITION@START+LENGTH, e.g. 2@1m+30s");
  },
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

/** What can be set of flights besides what can be set of any application. */
export const flightsSettings = {
  from: setting(time, {
    default: "2001-01-01",
    doc: "Start of the event time to replay, UTC, included.",
    commands: ["run", "replay"],
    mode: "replay",
  }),
  to: setting(time, {
    default: "2001-01-15",
    doc: "End of the event time to replay, UTC, excluded.",
    commands: ["run", "replay"],
    mode: "replay",
  }),
  inject: setting(
    { ...texts, argument: "<injection>" },
    {
      default: [],
      doc: "Seeded disturbances of the data, e.g. shift-12h@2001-03-03 or late:1%.",
      commands: ["run", "replay"],
      mode: "replay",
    },
  ),
  seed: setting(integer(0, 2 ** 31 - 1), {
    default: 1,
    doc: "Seed of the injections and of the load generator.",
    commands: ["run", "replay"],
  }),
  rate: setting(integer(0, 100_000), {
    default: 0,
    doc: "Live: events a second of the load generator, both topics together; 0: other producers send.",
    commands: ["run"],
    mode: "live",
  }),
  flightTime: setting(duration, {
    default: "30s",
    doc: "Live: time from departure to arrival of a generated flight.",
    commands: ["run"],
    mode: "live",
  }),
  silent: setting(silences, {
    default: [],
    doc: "Live: partitions without generated flights for a time, PARTITION@START+LENGTH, e.g. 2@1m+30s, for tests.",
    commands: ["run"],
    mode: "live",
  }),
} as const;

export type FlightsConfig = ConfigWith<typeof flightsSettings>;
