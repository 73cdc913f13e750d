import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FlightSource } from "../../examples/flights/flight-source.ts";
import type { ReplaySegment } from "../../examples/flights/replay-steps.ts";
import type { ResolvedConfig } from "../../runtime/config.ts";
import { exitCodes, listenForInterrupt } from "../exit.ts";

/** `millrace replay`: fills the two source topics, or with `--dry-run` says what it would send. */
export async function replay(resolved: ResolvedConfig, dryRun: boolean): Promise<number> {
  const { flights: plan } = await import("../../topologies/flights/flights.ts");
  const { flightsLatenessMs: latenessMs } = await import("../../examples/flights/check-config.ts");
  const { injectionText, parseInjections } = await import("../../examples/flights/injections.ts");
  const { config } = resolved;
  const injections = parseInjections(config.inject, config.seed, latenessMs);
  const segment = { from: config.from, to: config.to, injections, latenessMs };
  if (dryRun) return printExpectation(segment);
  const { fillTopics } = await import("../run/fill-topics.ts");
  const interrupt = listenForInterrupt();
  try {
    const injectText = injectionText(config.inject, config.seed);
    const complete = await fillTopics(plan, config, segment, injectText, interrupt);
    if (!complete) console.error("Stopped; run again to continue.");
    return complete ? exitCodes.done : exitCodes.interrupted;
  } finally {
    interrupt.release();
  }
}

/** Flights a day in UTC, and what the injections do to them. */
async function printExpectation(segment: ReplaySegment): Promise<number> {
  const { expectedCounts } = await import("../../examples/flights/expected-counts.ts");
  const { table } = await import("../table.ts");
  const { departures, arrivals, days } = await withFlights((source) =>
    expectedCounts(source, segment),
  );
  const number = (value: number) => value.toLocaleString("en-US");
  const rows = days.map((day) => [
    new Date(day.day).toISOString().slice(0, 10),
    number(day.departures),
    number(day.arrivals),
    day.arrivals === 0 ? "-" : `${((100 * day.lateArrivals) / day.arrivals).toFixed(1)} %`,
  ]);
  console.log(table(["day (UTC)", "departures", "arrivals", "late > 15 min"], rows));
  for (const [name, topic] of [
    ["flights.departures", departures],
    ["flights.arrivals", arrivals],
  ] as const) {
    console.log(
      `${name}: ${number(topic.records)} records, ${number(topic.late)} too late, ` +
        `${number(topic.duplicates)} duplicates`,
    );
  }
  return exitCodes.done;
}

/** Reads the data set with an engine of its own, in a folder that is removed afterwards. */
async function withFlights<T>(use: (source: FlightSource) => Promise<T>): Promise<T> {
  const { openChdb } = await import("../../sinks/chdb/chdb.ts");
  const { openFlights } = await import("../../examples/flights/open-flights.ts");
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
