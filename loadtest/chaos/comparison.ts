import { verifyRun } from "../../audit/verify-run.ts";
import { readCommitted } from "../../broker/committed-records.ts";
import { type Stack, storesOf, type TopologyStack } from "../../runtime/hosting/stack.ts";
import { isProgress } from "../../runtime/row-topics/tally.ts";
import { ByteReader } from "../../schemas/bytes.ts";
import { snakeCase, viewId, viewTable } from "../../schemas/feature-view.ts";
import type { Plan } from "../../schemas/plan.ts";
import { viewsOf } from "../../schemas/plan-facts.ts";
import { type FeatureRow, readRow } from "../../schemas/row.ts";
import type { OnlineKey } from "../../sinks/store.ts";
import { flights } from "../../topologies/flights/flights.ts";
import { allDigests } from "../digests.ts";

/** One thing that was compared. */
export interface Check {
  readonly what: string;
  /** For people: what was found, or what is wrong. */
  readonly found: string;
  readonly good: boolean;
}

/** Problems shown of one check. */
const shown = 3;

/**
 * Compares what a disturbed run left with an undisturbed one and with itself: raw tables without
 * FINAL, topics, Redis.
 *
 * @param expected - `allDigests` of the undisturbed run, as TSV.
 * @param onlineKeys - how many keys the online store holds in all.
 */
export async function compareRun(
  plan: Plan,
  stack: Stack,
  expected: string,
  onlineKeys: number,
): Promise<Check[]> {
  const own = storesOf(stack, plan.name);
  const checks = await compareDigests(own, expected);
  for (const [table, key] of uniqueKeys(plan)) checks.push(await checkUnique(own, table, key));
  const { problems } = await verifyRun({ plan, ...own });
  checks.push(checkOf("topics against tables and sources", "every record once", problems));
  checks.push(await compareOnline(plan, own, onlineKeys));
  return checks;
}

async function compareDigests({ offline }: TopologyStack, expected: string): Promise<Check[]> {
  const found = (await offline.queryText(allDigests(flights), "TSV")).trim().split("\n");
  return expected.split("\n").map((line, index) => {
    const [what = "", rows = "", hash = ""] = line.split("\t");
    const other = found[index] ?? "nothing";
    if (other === line) return { what, found: `${rows} rows, sum of hashes ${hash}`, good: true };
    return {
      what,
      found: `${other.slice(what.length)} where ${rows} ${hash} is right`,
      good: false,
    };
  });
}

/** Raw tables and the columns that name a row. */
function uniqueKeys(plan: Plan): [string, string][] {
  return [
    ...viewsOf(plan).map((view): [string, string] => {
      const keys = view.keyFields.map(snakeCase);
      return [viewTable(view), [...keys, "as_of", "seq"].join(", ")];
    }),
    ["raw_predictions", "flight_id"],
    ["raw_outcomes", "flight_id"],
  ];
}

async function checkUnique({ offline }: TopologyStack, table: string, key: string): Promise<Check> {
  const [found] = await offline.query<{ readonly keys: number; readonly more: number }>(
    `SELECT toUInt32(count()) AS keys, toUInt32(countIf(copies > 1)) AS more
    FROM (SELECT count() AS copies FROM ${table} GROUP BY ${key})`,
  );
  const { keys = 0, more = 0 } = found ?? {};
  const problems = more > 0 ? [`${more} of ${keys} stand there more than once`] : [];
  return checkOf(`${table} by ${key}`, `${keys} keys, once each`, problems);
}

/** Recomputes from the row topics what the online store must hold, and reads it back. */
async function compareOnline(
  plan: Plan,
  { broker, online }: TopologyStack,
  onlineKeys: number,
): Promise<Check> {
  const problems: string[] = [];
  let rows = 0;
  let partitions = 0;
  for (const view of viewsOf(plan).filter(({ stores }) => stores.includes("online"))) {
    const id = viewId(view);
    const output = plan.subtopologies
      .flatMap(({ outputs }) => outputs)
      .find((each) => each.kind === "rows" && each.view === id);
    if (output?.kind !== "rows") throw new RangeError(`nobody writes rows of ${id}`);
    const count = plan.topics.find(({ name }) => name === output.topic)?.partitions ?? 1;
    for (let partition = 0; partition < count; partition++) {
      const last = new LastRows();
      await readCommitted(broker, output.topic, partition, (reader) => last.take(reader));
      partitions++;
      rows += last.rows.size;
      const keys = [...last.rows.keys()];
      const read: OnlineKey[] = keys.map((entityKey) => ({ view: id, entityKey, partition }));
      for (const [index, entry] of (await online.read(read)).entries()) {
        const entityKey = keys[index] ?? "";
        const wanted = last.rows.get(entityKey);
        if (wanted !== undefined && !sameRow(wanted, entry.row)) {
          problems.push(`${id} ${entityKey} is ${text(entry.row)}, not ${text(wanted)}`);
        } else if (entry.progress !== last.progress) {
          problems.push(`${id}/${partition} has progress ${entry.progress}, not ${last.progress}`);
        }
      }
    }
  }
  const keys = rows + partitions;
  if (onlineKeys !== keys) problems.push(`${onlineKeys} keys are stored, not ${keys}`);
  return checkOf("Redis against a recomputation", `${rows} rows, equal`, problems);
}

/** The row that holds for each key: of the highest instant the highest seq. */
class LastRows {
  readonly rows = new Map<string, FeatureRow>();
  progress = Number.NEGATIVE_INFINITY;
  readonly #payload = new ByteReader();

  take(reader: Parameters<Parameters<typeof readCommitted>[3]>[0]): void {
    const { buffer, keyStart, keyEnd, valueStart, valueEnd } = reader;
    if (isProgress(reader)) {
      this.progress = Math.max(this.progress, buffer.readDoubleLE(valueStart));
      return;
    }
    const row = { served: 0, asOf: 0, seq: 0, validUntil: 0, values: new Float64Array() };
    this.#payload.reset(buffer, valueStart, valueEnd);
    readRow(this.#payload, row);
    const entityKey = buffer.toString("utf8", keyStart, keyEnd);
    const before = this.rows.get(entityKey);
    if (before === undefined || isNewer(row, before)) this.rows.set(entityKey, row);
  }
}

/** Whether a row of a key comes after another. */
export function isNewer(
  row: Pick<FeatureRow, "asOf" | "seq">,
  than: Pick<FeatureRow, "asOf" | "seq">,
): boolean {
  return row.asOf > than.asOf || (row.asOf === than.asOf && row.seq > than.seq);
}

function sameRow(a: FeatureRow, b: FeatureRow | null): boolean {
  if (b === null || a.served !== b.served || a.asOf !== b.asOf || a.seq !== b.seq) return false;
  if (!Object.is(a.validUntil, b.validUntil) || a.values.length !== b.values.length) return false;
  if (!(a.others ?? none).equals(b.others ?? none)) return false;
  return a.values.every((value, index) => Object.is(value, b.values[index]));
}

const none = Buffer.alloc(0);

function text(row: FeatureRow | null): string {
  return row === null ? "missing" : `as of ${new Date(row.asOf).toISOString()}, seq ${row.seq}`;
}

function checkOf(what: string, fine: string, problems: readonly string[]): Check {
  if (problems.length === 0) return { what, found: fine, good: true };
  const more = problems.length > shown ? `; and ${problems.length - shown} more` : "";
  return { what, found: `${problems.slice(0, shown).join("; ")}${more}`, good: false };
}
