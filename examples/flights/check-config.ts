import { statSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import type { CheckedValues } from "../../runtime/config.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { rangeProblem } from "./flights-file.ts";
import { injectionForms, readInjections } from "./injections.ts";

/** How late a record of flights may come, ms. */
export const flightsLatenessMs = Math.max(...plan.sources.map((source) => source.latenessMs));

/** What is wrong with a configuration for flights: range, injections, topics to slow, file. */
export function checkFlightsConfig({ values, origins }: CheckedValues): string[] {
  const { from, to, inject, slow, live, json, data } = values;
  const problems: string[] = [];
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
  const topics = plan.sources.map(({ topic }) => topic);
  for (const topic of slow?.keys() ?? []) {
    if (topics.includes(topic)) continue;
    problems.push(
      `${origins.get("slow")}: ${topic} is no source topic; there are ${topics.join(", ")}`,
    );
  }
  const unwritable = json == null ? null : fileProblem(json, data);
  if (unwritable !== null) problems.push(`${origins.get("json")}: ${unwritable}`);
  return problems;
}

/** Why a file cannot be written there: better known before a run than behind it. */
function fileProblem(path: string, data: string | undefined): string | null {
  if (data !== undefined && resolve(path).startsWith(`${resolve(data)}${sep}`)) {
    return `${path} lies in the data directory, which holds a run's files alone: name another one`;
  }
  const isDirectory = (each: string) =>
    statSync(each, { throwIfNoEntry: false })?.isDirectory() === true;
  if (isDirectory(path)) return `${path} is a directory: name a file`;
  const folder = dirname(path);
  return isDirectory(folder) ? null : `there is no directory ${folder}`;
}
