import { writeFile } from "node:fs/promises";
import { committedValues } from "../../../audit/committed-values.ts";
import { event } from "../../../audit/recomputed/expected-sql.ts";
import type { Broker } from "../../../broker/broker.ts";
import { AvroDecoder } from "../../../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../../../runtime/schema-registry/registry.ts";
import { sourceDecoder } from "../../../runtime/schema-registry/source-codec.ts";
import { watermark } from "../../../schemas/generated.ts";
import type { Plan, SourceSpec } from "../../../schemas/plan.ts";
import { quoteText } from "../../../schemas/sql-text.ts";
import { watermarksTopic } from "../../../schemas/topic-names.ts";
import type { OfflineStore } from "../../../sinks/store.ts";
import { departureSql } from "./utc-sql.ts";

/** Where the oracle finds the raw data. */
export interface RawFiles {
  readonly flights: string;
  readonly airports: string;
}

/** Columns of a file of events. */
const columns =
  "flightId Int64, origin String, destination String, delayMinutes Int64, distanceMiles Int64, " +
  `${event.time} Int64, ${event.known} Int64`;

/**
 * Writes the events of one source as {@link eventsSql} computes them to a file.
 *
 * @returns SQL of a table over it.
 */
export async function writeEvents(
  offline: Pick<OfflineStore, "query" | "queryText">,
  path: string,
  sql: string,
): Promise<string> {
  // The reader of Parquet files fails on the conditions that would be moved into it.
  const settings = "SETTINGS optimize_move_to_prewhere = 0, query_plan_optimize_prewhere = 0";
  await writeFile(path, await offline.queryText(`${sql} ${settings}`, "TSV"));
  return `SELECT *, flightId AS ${event.id} FROM file(${quoteText(path)}, TSV, '${columns}')`;
}

/** A file by {@link topicLines}. */
export interface TopicDump {
  readonly path: string;
  /** Whether delays are the topic's, too, because they were changed on purpose. */
  readonly ownDelays: boolean;
}

/**
 * SELECT of the events of one source, straight from the Parquet file: the fields of its records,
 * `t` (event time) and `k` (when it was known), UTC ms. Event time and order are the topic's.
 */
export async function eventsSql(
  offline: Pick<OfflineStore, "query">,
  files: RawFiles,
  source: Pick<SourceSpec, "topic" | "latenessMs">,
  range: { readonly from: number; readonly to: number },
  dump: TopicDump,
): Promise<string> {
  const seconds = "intDiv(toUnixTimestamp64Micro(assumeNotNull(date)), 1000000)";
  const departure = await departureSql(offline, files, "local_text");
  const isArrival = source.topic.endsWith(".arrivals");
  const flown = "toInt64(round((30 + distanceMiles / 7.5) * 60000))";
  const base = `SELECT flightId, origin, destination, delayMinutes, distanceMiles,
      ${departure} * 1000${isArrival ? ` + ${flown}` : ""} AS t
    FROM (
      SELECT assumeNotNull(toInt64(_row_number)) AS flightId, assumeNotNull(origin) AS origin,
        assumeNotNull(destination) AS destination, assumeNotNull(delay) AS delayMinutes,
        assumeNotNull(distance) AS distanceMiles,
        toString(toDateTime(${seconds}, 'UTC')) AS local_text
      FROM file(${quoteText(files.flights)}, Parquet)
      WHERE ${seconds} >= ${Math.floor(range.from / 1000) - 2 * 86_400}
        AND ${seconds} < ${Math.ceil(range.to / 1000) + 86_400})`;
  const delay = dump.ownDelays ? "sent.delay" : "raw.delayMinutes";
  return `SELECT raw.flightId AS flightId, origin, destination, ${delay} AS delayMinutes,
      distanceMiles, sent.t AS t, sent.k AS k
    FROM (
      SELECT flightId, t, k, delay FROM (
        SELECT flightId, t, is_record, delay,
          max(t) OVER (PARTITION BY partition ORDER BY position, is_record
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS k
        FROM file(${quoteText(dump.path)}, TSV, 'partition UInt16, position Int64,
          is_record UInt8, flightId Int64, t Int64, delay Int64'))
      WHERE is_record = 1 AND t >= k - ${source.latenessMs}) AS sent
    INNER JOIN (${base}) AS raw ON raw.flightId = sent.flightId`;
}

/**
 * The records of a source topic and its watermarks as lines for {@link eventsSql}. A late record
 * does not raise the running maximum, for it lies below it.
 */
export async function* topicLines(
  broker: Broker,
  registry: SchemaRegistry,
  source: SourceSpec,
  { name: topology, partitions }: Pick<Plan, "name" | "partitions">,
): AsyncGenerator<string> {
  const { topic, timeField } = source;
  const decoder = sourceDecoder(registry, source);
  for (let partition = 0; partition < partitions; partition++) {
    for await (const { offset, value } of committedValues(broker, topic, partition, decoder)) {
      const [time, delay] = [Number(value[timeField]), Number(value["delayMinutes"] ?? 0)];
      yield `${partition}\t${offset}\t1\t${value["flightId"]}\t${time}\t${delay}\n`;
    }
  }
  const marks = new AvroDecoder(registry, watermark);
  for await (const { value } of committedValues(
    broker,
    watermarksTopic(topology, topic),
    0,
    marks,
  )) {
    for (const [partition, end] of (value["endOffsets"] as number[]).entries()) {
      yield `${partition}\t${end}\t0\t-1\t${Number(value["before"])}\t0\n`;
    }
  }
}
