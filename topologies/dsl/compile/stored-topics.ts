import { deadLetter, lateRecord } from "../../../schemas/generated.ts";
import type { AvroSchema, ColumnSpec, StoredTopic, TableSpec } from "../../../schemas/plan.ts";
import * as column from "./columns.ts";
import { type Part, type WorldOutput, worldOutputs } from "./link.ts";
import { deadLetterTopic, lateTopic } from "./topics.ts";

/** Topics that go into stores, each once, though several steps write to it. */
export function storedTopics(topology: string, parts: readonly Part[]): StoredTopic[] {
  const outputs = parts.flatMap(worldOutputs);
  const own = outputs.filter(({ shared }) => shared === undefined);
  const shared = new Map(
    outputs.filter((each) => each.shared !== undefined).map((each) => [each.spec.topic, each]),
  );
  return [
    ...own.flatMap(storedTopic),
    { topic: lateTopic(topology), ...avroValues(lateRecord, lateTable) },
    { topic: deadLetterTopic(topology), ...avroValues(deadLetter, deadLetterTable) },
    ...[...shared.values()].flatMap(storedTopic),
  ];
}

function storedTopic({ spec: { topic }, stored }: WorldOutput): StoredTopic[] {
  return stored === null ? [] : [{ topic, ...stored }];
}

/** Records of a schema that go into a table. */
export function avroValues(schema: AvroSchema, table: TableSpec): Omit<StoredTopic, "topic"> {
  return { values: { kind: "avro", schema }, table, online: null };
}

const originColumns: readonly ColumnSpec[] = [
  column.word("source", "topic"),
  column.whole("source_partition", 16, "partition"),
  column.integer("source_offset", "offset"),
  column.timestamp("timestamp"),
  column.orNull(column.text("key")),
];
const originOrder = ["source", "source_partition", "source_offset"];

const lateTable = column.records(
  "late_records",
  [
    ...originColumns,
    column.text("value"),
    column.timestamp("event_time", "eventTime"),
    column.timestamp("stream_time", "streamTime"),
    column.integer("lateness_ms", "latenessMs"),
  ],
  originOrder,
);

const deadLetterTable = column.records(
  "dead_letters",
  [
    ...originColumns,
    column.orNull(column.text("value")),
    column.text("headers"),
    column.orNull(column.text("schema_id", "schemaId")),
    column.word("step"),
    column.word("code"),
    column.text("reason"),
  ],
  originOrder,
);
