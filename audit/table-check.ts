import type { Broker } from "../broker/broker.ts";
import { readCommitted } from "../broker/committed-records.ts";
import { topicIdColumn } from "../runtime/offline/plumbing.ts";
import type { AcceptedGap } from "../runtime/row-topics/accepted-gaps.ts";
import { isProgress, type Tally } from "../runtime/row-topics/tally.ts";
import { quoteName, quoteText } from "../schemas/sql-text.ts";
import { isOfTopic } from "../sinks/offline-stored.ts";
import type { OfflineStore, OfflineTable } from "../sinks/store.ts";

/** A table and the topic that it is filled from. */
export interface FilledTable {
  readonly table: OfflineTable;
  readonly topic: string;
  /** Id of the topic as it is now. */
  readonly topicId: string;
  readonly partitions: number;
  /** Gaps that were accepted, by partition. */
  readonly gaps: readonly (AcceptedGap | null)[];
  /** By partition what was purged; empty for a topic that is kept whole. */
  readonly tallies: readonly Tally[];
}

export interface TableCheck {
  readonly table: string;
  readonly topic: string;
  readonly partitions: number;
  /** Records of the topic that a table holds as rows, purged ones included. */
  readonly records: number;
  /** Of them those that the topic no longer holds, or is about to purge. */
  readonly purged: number;
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

/**
 * Compares the rows of a table with the committed records of its topic, offset by offset, and with
 * the tally of those that were purged: their number and the sum of their CRC-32.
 */
export async function checkTable(
  broker: Broker,
  offline: Pick<OfflineStore, "query" | "stored">,
  filled: FilledTable,
): Promise<TableCheck> {
  const stored = await storedDigests(offline, filled);
  const purged = await checkPurged(broker, offline, filled);
  const problems: string[] = [...purged.problems];
  let records = purged.records;
  let rows = purged.rows;
  for (let partition = 0; partition < filled.partitions; partition++) {
    const found = stored.get(partition) ?? { count: 0, sum: 0, bits: 0 };
    const committed: Digest = { count: 0, sum: 0, bits: 0 };
    await readCommitted(broker, filled.topic, partition, (reader) => {
      if (reader.offset < belowOf(filled, partition) || isProgress(reader)) return;
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
      problems.push(
        `${filled.table.name}: ${count} rows of partition ${partition}, which is unknown`,
      );
    }
  }
  problems.push(...(await strangeRows(offline, filled)));
  const { table, topic, partitions } = filled;
  return { table: table.name, topic, partitions, records, purged: purged.records, rows, problems };
}

function belowOf({ tallies }: FilledTable, partition: number): number {
  return tallies[partition]?.below ?? 0;
}

/** SQL that picks the rows of a topic whose records are tallied. */
function isTallied({ tallies }: FilledTable): string {
  const parts = tallies.flatMap(({ below }, partition) =>
    below === 0 ? [] : [`(partition = ${partition} AND offset < ${below})`],
  );
  return parts.length === 0 ? "false" : `(${parts.join(" OR ")})`;
}

/** Compares the rows of purged records with their tallies. */
async function checkPurged(
  broker: Broker,
  offline: Pick<OfflineStore, "query">,
  filled: FilledTable,
): Promise<{ records: number; rows: number; problems: string[] }> {
  const { table, topic, tallies } = filled;
  if (tallies.length === 0) return { records: 0, rows: 0, problems: [] };
  const { topicId } = filled;
  const named = table.columns.filter(({ name }) => name !== topicIdColumn.name);
  const columns = named.map(({ name }) => quoteName(name)).join(", ");
  const found = await offline.query<{ partition: number; count: number; crcSum: string }>(
    `SELECT partition, toFloat64(count()) AS count,
      toString(sum(CRC32(formatRow('RowBinary', ${columns})))) AS crcSum
    FROM ${table.name} WHERE topic = ${quoteText(topic)} AND ${isOfTopic(topicId)}
      AND ${isTallied(filled)}
    GROUP BY partition`,
  );
  const byPartition = new Map(found.map((row) => [row.partition, row]));
  const starts = await broker.listOffsets(
    tallies.map((_, partition) => ({ topic, partition, at: "earliest" as const })),
  );
  const problems: string[] = [];
  for (const [partition, tally] of tallies.entries()) {
    const { count = 0, crcSum = "0" } = byPartition.get(partition) ?? {};
    const place = `${table.name}, partition ${partition} of ${topic}`;
    const { below, rows } = tally;
    const start = starts[partition] ?? 0;
    if (count !== rows) {
      problems.push(`${place}: ${count} rows below offset ${below}, where ${rows} were purged`);
    } else if (BigInt(crcSum) !== tally.crcSum) {
      problems.push(`${place}: rows below offset ${below} are not those that were purged`);
    }
    if (start > below) {
      problems.push(
        `${place}: the topic begins at ${start}, but only what is below ${below} is tallied`,
      );
    }
  }
  return {
    records: tallies.reduce((sum, { rows }) => sum + rows, 0),
    rows: found.reduce((sum, { count }) => sum + count, 0),
    problems,
  };
}

/** Rows of a topic of that name which was deleted, unless they were accepted. */
async function strangeRows(
  offline: Pick<OfflineStore, "stored">,
  { table, topic, topicId, gaps }: FilledTable,
): Promise<string[]> {
  const { strange } = await offline.stored(table, topicId);
  return [...strange]
    .filter(([partition]) => gaps[partition]?.topicId !== topicId)
    .map(([partition, rows]) => {
      const place = `${table.name}, partition ${partition} of ${topic}`;
      return `${place}: ${rows} rows are of a topic of that name which was deleted`;
    });
}

async function storedDigests(
  offline: Pick<OfflineStore, "query">,
  filled: FilledTable,
): Promise<Map<number, Digest>> {
  const { table, topic, topicId } = filled;
  const rows = await offline.query<Digest & { partition: number }>(
    `SELECT partition, toFloat64(count()) AS count, toFloat64(sum(offset)) AS sum,
      groupBitXor(toUInt32(offset)) AS bits
    FROM ${table.name} WHERE topic = ${quoteText(topic)} AND ${isOfTopic(topicId)}
      AND NOT ${isTallied(filled)}
    GROUP BY partition ORDER BY partition`,
  );
  return new Map(rows.map((row) => [row.partition, row]));
}

/** Offsets named in a problem at most. */
const namedOffsets = 5;

/** Names what differs in a partition. Holds its offsets in memory. */
async function differences(
  broker: Broker,
  offline: Pick<OfflineStore, "query">,
  filled: FilledTable,
  partition: number,
): Promise<string[]> {
  const { table, topic, topicId } = filled;
  const below = belowOf(filled, partition);
  const rows = await offline.query<{ offset: number; copies: number }>(
    `SELECT offset, toUInt32(count()) AS copies FROM ${table.name}
    WHERE topic = ${quoteText(topic)} AND ${isOfTopic(topicId)}
      AND partition = ${partition} AND offset >= ${below}
    GROUP BY offset`,
  );
  const copies = new Map(rows.map((row) => [Number(row.offset), row.copies]));
  const missing: number[] = [];
  await readCommitted(broker, topic, partition, (reader) => {
    if (reader.offset < below || isProgress(reader)) return;
    if (!copies.delete(reader.offset)) missing.push(reader.offset);
  });
  const twice = rows.filter((row) => row.copies > 1).map((row) => Number(row.offset));
  const place = `${table.name}, partition ${partition} of ${topic}`;
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
