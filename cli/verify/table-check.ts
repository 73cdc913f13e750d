import type { Broker } from "../../runtime/broker/broker.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { sqlText } from "../flights/sql.ts";
import { isProgress, readCommitted } from "./count-committed.ts";

/** A table and the topic that it is filled from. */
export interface FilledTable {
  readonly table: string;
  readonly topic: string;
  readonly partitions: number;
}

export interface TableCheck extends FilledTable {
  /** Records of the topic that a table holds as rows. */
  readonly records: number;
  readonly rows: number;
  /** What is missing or too much, for people. */
  readonly problems: readonly string[];
}

/** Count, sum and exclusive or of offsets: as good as the offsets themselves against accidents. */
interface Digest {
  count: number;
  sum: number;
  bits: number;
}

/** Compares the rows of a table with the committed records of its topic, offset by offset. */
export async function checkTable(
  broker: Broker,
  offline: Pick<OfflineStore, "query">,
  filled: FilledTable,
): Promise<TableCheck> {
  const stored = await storedDigests(offline, filled);
  const problems: string[] = [];
  let records = 0;
  let rows = 0;
  for (let partition = 0; partition < filled.partitions; partition++) {
    const found = stored.get(partition) ?? { count: 0, sum: 0, bits: 0 };
    const committed: Digest = { count: 0, sum: 0, bits: 0 };
    await readCommitted(broker, filled.topic, partition, (reader) => {
      if (isProgress(reader)) return;
      committed.count++;
      committed.sum += reader.offset;
      committed.bits = (committed.bits ^ reader.offset) >>> 0;
    });
    records += committed.count;
    rows += found.count;
    const isEqual =
      committed.count === found.count &&
      committed.sum === found.sum &&
      committed.bits === found.bits;
    if (!isEqual) problems.push(...(await differences(broker, offline, filled, partition)));
  }
  for (const [partition, { count }] of stored) {
    if (partition >= filled.partitions) {
      problems.push(`${filled.table}: ${count} rows of partition ${partition}, which is unknown`);
    }
  }
  return { ...filled, records, rows, problems };
}

async function storedDigests(
  offline: Pick<OfflineStore, "query">,
  { table, topic }: FilledTable,
): Promise<Map<number, Digest>> {
  const rows = await offline.query<Digest & { partition: number }>(
    `SELECT partition, toFloat64(count()) AS count, toFloat64(sum(offset)) AS sum,
      groupBitXor(toUInt32(offset)) AS bits
    FROM millrace.${table} WHERE topic = ${sqlText(topic)} GROUP BY partition ORDER BY partition`,
  );
  return new Map(rows.map((row) => [row.partition, row]));
}

/** Offsets named in a problem at most. */
const namedOffsets = 5;

/** Names what differs in a partition. Holds its offsets in memory. */
async function differences(
  broker: Broker,
  offline: Pick<OfflineStore, "query">,
  { table, topic }: FilledTable,
  partition: number,
): Promise<string[]> {
  const rows = await offline.query<{ offset: number; copies: number }>(
    `SELECT offset, toUInt32(count()) AS copies FROM millrace.${table}
    WHERE topic = ${sqlText(topic)} AND partition = ${partition} GROUP BY offset`,
  );
  const copies = new Map(rows.map((row) => [Number(row.offset), row.copies]));
  const missing: number[] = [];
  await readCommitted(broker, topic, partition, (reader) => {
    if (isProgress(reader)) return;
    if (!copies.delete(reader.offset)) missing.push(reader.offset);
  });
  const twice = rows.filter((row) => row.copies > 1).map((row) => Number(row.offset));
  const place = `${table}, partition ${partition} of ${topic}`;
  const problem = (what: string, offsets: readonly number[]) =>
    offsets.length === 0 ? [] : [`${place}: ${offsets.length} ${what} (${named(offsets)})`];
  return [
    ...problem("rows are missing, offsets", missing),
    ...problem("rows stand there more than once, offsets", twice),
    ...problem("rows have no record, offsets", [...copies.keys()]),
  ];
}

export function named(values: readonly (number | string)[]): string {
  const shown = values.slice(0, namedOffsets).join(", ");
  return values.length > namedOffsets ? `${shown}, …` : shown;
}
