import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Broker } from "../../broker/broker.ts";
import { AvroDecoder } from "../../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../../runtime/schema-registry/registry.ts";
import { sourceDecoder } from "../../runtime/schema-registry/source-codec.ts";
import { type FeatureViewSpec, viewId } from "../../schemas/feature-view.ts";
import { deadLetter, watermark } from "../../schemas/generated.ts";
import { type Plan, type SourceSpec, topologyOf } from "../../schemas/plan.ts";
import type { RowField } from "../../schemas/row-layout.ts";
import { quoteName, quoteText } from "../../schemas/sql-text.ts";
import { watermarksTopic } from "../../schemas/topic-names.ts";
import { throughSql } from "../../schemas/transforms/through.ts";
import { committedValues } from "../committed-values.ts";
import { event } from "./expected-sql.ts";
import { fieldsRead } from "./recomputable.ts";

export interface SourceEventsOptions {
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly plan: Plan;
  readonly view: FeatureViewSpec;
  readonly source: SourceSpec;
  /** File to write, for the engine to read. */
  readonly path: string;
}

/**
 * Writes the events of a view to a file: the committed records of its source with the fields that
 * it reads, their event time, and when each was known: the highest event time of its partition up
 * to it, source watermarks included. Records that are late or stand among the dead letters are
 * none.
 *
 * @returns SELECT of them, for `expectedSql`.
 */
export async function writeSourceEvents(options: SourceEventsOptions): Promise<string> {
  const { view, source, path } = options;
  const names = fieldsRead(view);
  const fields = source.layout.fields.filter(({ name }) => names.has(name));
  await pipeline(eventLines(options, fields), createWriteStream(path, { mode: 0o600 }));
  const columns = [
    `${event.id} Int64, ${event.time} Int64, ${event.known} Int64`,
    ...fields.map((field) => `${quoteName(field.name)} ${sqlType(field)}`),
  ];
  const select = `SELECT * FROM file(${quoteText(path)}, TSV, ${quoteText(columns.join(", "))})`;
  return throughSql(view.through ?? [], { select, carried: Object.values(event) });
}

/** Every number may be NaN, which is null here. */
function sqlType({ name, type }: RowField): string {
  switch (type) {
    case "number":
      return "Nullable(Float64)";
    case "integer":
      // Of 64 bits with a sign or without one.
      return "Nullable(Int128)";
    case "timestamp":
      return "Nullable(Int64)";
    case "boolean":
      return "Nullable(Bool)";
    case "text":
      return "Nullable(String)";
    default:
      throw new RangeError(`${name} is a list, which no feature is made of`);
  }
}

async function* eventLines(
  options: SourceEventsOptions,
  fields: readonly RowField[],
): AsyncGenerator<string> {
  const { broker, registry, source } = options;
  const decoder = sourceDecoder(registry, source);
  const refused = await refusedOffsets(options);
  const [topic] = await broker.describeTopics([source.topic]);
  for (let partition = 0; partition < (topic?.partitions ?? 0); partition++) {
    const marks = await marksOf(options, partition);
    const isTaken = (offset: number) => !refused.has(`${partition} ${offset}`);
    let known = Number.NEGATIVE_INFINITY;
    let mark = 0;
    for await (const { offset, value } of committedValues(
      ...([broker, source.topic, partition, decoder, isTaken] as const),
    )) {
      for (; (marks[mark]?.end ?? Number.POSITIVE_INFINITY) <= offset; mark++) {
        known = Math.max(known, marks[mark]?.before ?? known);
      }
      const time = Number(value[source.timeField]);
      known = Math.max(known, time);
      if (time < known - source.latenessMs) continue;
      const texts = fields.map(({ name }) => tsvText(value[name]));
      yield `${[offset * 65_536 + partition, time, known, ...texts].join("\t")}\n`;
    }
  }
}

/** What was known of a partition where it ended: nothing before a time follows. */
interface Mark {
  readonly end: number;
  readonly before: number;
}

async function marksOf(
  { broker, registry, plan, source }: SourceEventsOptions,
  partition: number,
): Promise<Mark[]> {
  const topic = watermarksTopic(topologyOf(plan), source.topic);
  if ((await broker.describeTopics([topic])).length === 0) return [];
  const marks: Mark[] = [];
  for await (const { value } of committedValues(
    ...([broker, topic, 0, new AvroDecoder(registry, watermark)] as const),
  )) {
    const end = (value["endOffsets"] as number[])[partition];
    if (end !== undefined) marks.push({ end, before: Number(value["before"]) });
  }
  return marks;
}

/** Records of the source that it or the view could not take, as `partition offset`. */
async function refusedOffsets(options: SourceEventsOptions): Promise<ReadonlySet<string>> {
  const { broker, registry, plan, view, source } = options;
  const refused = new Set<string>();
  const decoder = new AvroDecoder(registry, deadLetter);
  for (const { name, partitions } of plan.topics.filter(({ role }) => role === "dead-letters")) {
    for (let partition = 0; partition < partitions; partition++) {
      for await (const { value } of committedValues(broker, name, partition, decoder)) {
        const isOurs = value["step"] === source.topic || value["step"] === viewId(view);
        if (!isOurs || value["topic"] !== source.topic) continue;
        refused.add(`${value["partition"]} ${value["offset"]}`);
      }
    }
  }
  return refused;
}

/** A value in a file of tab-separated values; NaN is null. */
export function tsvText(value: unknown): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "\\N";
  if (value === Number.POSITIVE_INFINITY) return "inf";
  if (value === Number.NEGATIVE_INFINITY) return "-inf";
  const escaped = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0" } as const;
  return String(value).replace(/[\\\t\n\r\0]/g, (found) => escaped[found as keyof typeof escaped]);
}
