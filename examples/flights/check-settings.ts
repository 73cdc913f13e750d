import type { CheckedValues } from "../../runtime/config.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { rangeProblem } from "./flights-file.ts";
import type { FlightsConfig } from "./flights-settings.ts";
import { injectionForms, readInjections } from "./injections.ts";

/** How late a record of flights may come, ms. */
export const flightsLatenessMs = Math.max(...plan.sources.map((source) => source.latenessMs));

/** What is wrong with settings for flights: range, injections. */
export function checkFlightsSettings({ values, origins }: CheckedValues<FlightsConfig>): string[] {
  const { from, to, inject, live } = values;
  const problems: string[] = [];
  if (from !== undefined && to !== undefined && from >= to) {
    const iso = (time: number) => new Date(time).toISOString().slice(0, 16);
    problems.push(`from (${iso(from)}) must lie before to (${iso(to)})`);
  }
  // Live, the range says nothing.
  if (from !== undefined && to !== undefined && live !== true) {
    const wrong = rangeProblem(from, to);
    const isGiven = (origin: string | undefined) => origin !== undefined && origin !== "default";
    const given = [origins.get("from"), origins.get("to")].filter(isGiven);
    if (wrong !== null) problems.push(`${given.join(", ")}: ${wrong}`);
  }
  const { problems: injections } = readInjections(inject ?? [], 0, flightsLatenessMs);
  for (const [index, { text, reason }] of injections.entries()) {
    // How to write them is said once, behind the last.
    const forms = index === injections.length - 1 ? `; write one of ${injectionForms}` : "";
    problems.push(`${origins.get("inject")}: "${text}": ${reason}${forms}`);
  }
  return problems;
}
