import { application } from "../../runtime/hosting/application-spec.ts";
import { flights } from "../../topologies/flights/flights.ts";
import { checkFlightsSettings } from "./check-settings.ts";
import { type FlightsConfig, flightsSettings } from "./flights-settings.ts";
import { injectionText } from "./injections.ts";
import type { LoadReport } from "./load/load-generator.ts";
import { loadLine } from "./load/load-line.ts";

/** Flights: a replay of the data set, or generated flights at a rate, and what becomes of them. */
export default application({
  topologies: flights,
  settings: flightsSettings,
  check: checkFlightsSettings,
  title,
  feeder: {
    range: ({ from, to }) => ({ from, to }),
    identity: ({ inject, seed }) => (inject.length === 0 ? [] : [injectionText(inject, seed)]),
    replay: async (feed) => (await import("./feeder.ts")).replay(feed),
    live: async (feed) => (await import("./feeder.ts")).generate(feed),
    preview: async (config) => (await import("./feeder.ts")).preview(config),
  },
  checks: [async (run) => (await import("./check-points.ts")).checkPoints(run)],
  report: ({ fed }) => (fed === null ? [] : [loadLine(fed as unknown as LoadReport)]),
});

function title(
  shown: Readonly<Record<string, string>>,
  { live, inject, rate, for: length }: FlightsConfig,
): string {
  if (live) {
    const load = rate === 0 ? "as producers send them" : `at ${shown["rate"]} events/s`;
    return `live, ${load}, ${length === null ? "until Ctrl-C" : `for ${shown["for"]}`}`;
  }
  const injected = inject.length === 0 ? "" : `, with ${inject.join(", ")}`;
  return `from ${shown["from"]} to ${shown["to"]} (UTC)${injected}`;
}
