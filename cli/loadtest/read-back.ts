import { setTimeout as sleep } from "node:timers/promises";
import { snakeCase } from "../../schemas/feature-view.ts";
import type { Inspector } from "../../serving/inspector.ts";
import type { LoadIds } from "./samples.ts";
import type { DuePredictions } from "./targets.ts";

/** Predictions of a load in a table of the offline store. */
export interface ReadBack {
  readonly table: string;
  /** Ids that are due; null: the step leaves records out, so nobody knows. */
  readonly due: number | null;
  readonly found: number;
  /** Rows beyond the first of their id. */
  readonly doubled: number;
}

export interface ReadBackOptions {
  readonly ids: LoadIds;
  /** Ids that are due. */
  readonly due: number;
  /** Whether those that a gateway has served are meant, and not those of the stream. */
  readonly served: boolean;
  readonly signal: AbortSignal;
}

/** How long nothing may come before no more is waited for, ms. */
const quietMs = 30_000;
const lookEveryMs = 500;

/** Waits until the predictions of a load are in the offline store, or no more of them come. */
export async function readBack(
  inspector: Pick<Inspector, "sql">,
  { topology, facts, ofEach, id }: DuePredictions,
  { ids, due, served, signal }: ReadBackOptions,
): Promise<ReadBack | null> {
  if (id === null || !facts.stores.includes("offline")) return null;
  const table = served ? `${facts.name}_served` : facts.name;
  const column = quoted(snakeCase(facts.keyField));
  const query = `SELECT uniqExact(${column}) AS found, count() AS n FROM ${quoted(table)} WHERE ${ids.test(column)}`;
  let [found, rows] = [0, 0];
  // Of a step that leaves records out the end is when no more come.
  for (let last = performance.now(); performance.now() - last < quietMs; ) {
    const text = await inspector.sql({ query, format: "JSONCompactEachRow", topology });
    const told = (JSON.parse(text) as [unknown, unknown]).map(Number) as [number, number];
    if (told[0] !== found || told[1] !== rows) last = performance.now();
    [found, rows] = told;
    if (found >= due || signal.aborted) break;
    await sleep(lookEveryMs);
  }
  return { table, due: ofEach || served ? due : null, found, doubled: rows - found };
}

function quoted(name: string): string {
  return `\`${name}\``;
}
