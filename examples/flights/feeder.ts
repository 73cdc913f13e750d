import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { table } from "../../cli/table.ts";
import type { FeedReport, LiveFeed, ReplayFeed } from "../../runtime/hosting/application-spec.ts";
import { openChdb } from "../../sinks/chdb/chdb.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { flightsLatenessMs as latenessMs } from "./check-settings.ts";
import { expectedCounts } from "./expected-counts.ts";
import type { FlightSource } from "./flight-source.ts";
import type { FlightsConfig } from "./flights-settings.ts";
import { injectionText, parseInjections } from "./injections.ts";
import { LoadGenerator } from "./load/load-generator.ts";
import { openFlights } from "./open-flights.ts";
import { replayFlights } from "./replay.ts";
import type { ReplaySegment } from "./replay-steps.ts";

const { partitions } = plan;

/** Sends the flights of the range from the data set. */
export function replay(feed: ReplayFeed<FlightsConfig>): Promise<FeedReport> {
  const { stack, config, signal, onProgress } = feed;
  const { broker, registry } = stack;
  return replayFlights({
    ...{ broker, registry, partitions, signal, onProgress },
    ...segmentOf(config),
    flights: openFlights(stack.files),
    injectText: injectionText(config.inject, config.seed),
  });
}

function segmentOf({ from, to, inject, seed }: FlightsConfig): ReplaySegment {
  return { from, to, injections: parseInjections(inject, seed, latenessMs), latenessMs };
}

/** Sends generated flights at a rate; null: other producers send. */
export async function generate(
  feed: LiveFeed<FlightsConfig>,
): Promise<Record<string, unknown> | null> {
  const { stack, config, signal, began, until } = feed;
  const { rate, seed, flightTime: flightTimeMs, silent } = config;
  if (rate === 0) return null;
  // Silences count from the beginning of the run, whenever this start of it is.
  const now = Date.now();
  const silences = silent.map((each) => ({ ...each, startMs: each.startMs + began - now }));
  const { broker, registry } = stack;
  const generator = await LoadGenerator.open({
    ...{ broker, registry, partitions, rate, seed, flightTimeMs, silences, until, signal },
  });
  try {
    return { ...(await generator.run()) };
  } finally {
    await generator.close();
  }
}

/** Flights a day in UTC, and what the injections do to them. */
export async function preview(config: FlightsConfig): Promise<string> {
  const { departures, arrivals, days } = await withFlights((source) =>
    expectedCounts(source, segmentOf(config)),
  );
  const rows = days.map((day) => [
    new Date(day.day).toISOString().slice(0, 10),
    number(day.departures),
    number(day.arrivals),
    day.arrivals === 0 ? "-" : `${((100 * day.lateArrivals) / day.arrivals).toFixed(1)} %`,
  ]);
  const topics = [
    ["flights.departures", departures],
    ["flights.arrivals", arrivals],
  ] as const;
  return [
    table(["day (UTC)", "departures", "arrivals", "late > 15 min"], rows),
    ...topics.map(
      ([name, topic]) =>
        `${name}: ${number(topic.records)} records, ${number(topic.late)} too late, ` +
        `${number(topic.duplicates)} duplicates`,
    ),
  ].join("\n");
}

/** Reads the data set with an engine of its own, in a folder that is removed afterwards. */
async function withFlights<T>(use: (source: FlightSource) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "millrace-flights-"));
  try {
    const offline = await openChdb({
      directory: join(folder, "offline"),
      spoolDirectory: join(folder, "spool"),
    });
    try {
      return await use(openFlights(offline));
    } finally {
      await offline.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function number(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
