import { snakeCase } from "../../schemas/feature-view.ts";
import { deadLetter, drift, lateRecord, model } from "../../schemas/generated.ts";
import type { AvroSchema, LabelSpec, Plan, ScoringSpec } from "../../schemas/plan.ts";
import { modelsTopic } from "../../topologies/dsl/compile/link.ts";
import { deadLetterTopic, lateTopic } from "../../topologies/dsl/compile/topics.ts";
import { utc } from "./plumbing.ts";
import { field, type RecordColumn, type RecordTable, recordTable } from "./record-table.ts";

/** Tables of everything but feature rows; each topic once, though several steps write to it. */
export function recordTables(plan: Plan): RecordTable[] {
  const drifts = new Set(plan.watches.map(({ driftTopic }) => driftTopic));
  return [
    ...plan.scorings.flatMap((scoring) =>
      scoring.stores.includes("offline") ? [predictions(plan, scoring)] : [],
    ),
    ...plan.labels.flatMap((label) =>
      label.stores.includes("offline") ? [outcomes(plan, label)] : [],
    ),
    lateRecords(plan),
    deadLetters(plan),
    ...[...drifts].map(driftWindows),
    ...(plan.trainings.length > 0 ? [models()] : []),
  ];
}

function predictions(plan: Plan, scoring: ScoringSpec): RecordTable {
  const id = keyColumn(scoring);
  return recordTable(
    scoring.topic,
    schemaOf(plan, scoring.topic),
    scoring.name,
    [
      id,
      field("event_time", utc, "eventTime"),
      field("known_at", utc, "knownAt"),
      ...answerColumns,
      field("incomplete", "UInt8", "incomplete"),
      field("latency_ms", "Float64", "latencyMs"),
      field("features_as_of", `Nullable(${utc})`, "featuresAsOf"),
      field("source_partition", "UInt16", "sourcePartition"),
      field("source_offset", "Int64", "sourceOffset"),
      ...scoring.features.map(
        (name): RecordColumn => ({
          column: { name, type: "Nullable(Float64)" },
          get: (value) => (value["features"] as Record<string, unknown>)[name],
        }),
      ),
    ],
    ["known_at", id.column.name],
  );
}

function outcomes(plan: Plan, label: LabelSpec): RecordTable {
  const scoring = plan.scorings.find((each) => each.name === label.predictions);
  if (scoring === undefined) throw new RangeError(`${label.name} labels no scoring step`);
  const id = keyColumn(scoring);
  return recordTable(
    label.topic,
    schemaOf(plan, label.topic),
    label.name,
    [
      id,
      field("predicted_at", utc, "predictedAt"),
      field("known_at", utc, "knownAt"),
      field("labelled", "UInt8", "labelled"),
      field("label", "Nullable(UInt8)", "label"),
      field("label_event_time", `Nullable(${utc})`, "labelEventTime"),
      ...answerColumns,
    ],
    ["known_at", id.column.name],
  );
}

const answerColumns: readonly RecordColumn[] = [
  field("probability", "Float64", "probability"),
  field("fallback", "UInt8", "fallback"),
  field("model", "LowCardinality(String)", "model"),
  field("version", "Nullable(String)", "version"),
];

const originColumns: readonly RecordColumn[] = [
  field("source", "LowCardinality(String)", "topic"),
  field("source_partition", "UInt16", "partition"),
  field("source_offset", "Int64", "offset"),
  field("timestamp", utc, "timestamp"),
  field("key", "Nullable(String)", "key"),
];

function lateRecords(plan: Plan): RecordTable {
  return recordTable(
    lateTopic(plan.name),
    lateRecord,
    "late_records",
    [
      ...originColumns,
      field("value", "String", "value"),
      field("event_time", utc, "eventTime"),
      field("stream_time", utc, "streamTime"),
      field("lateness_ms", "Int64", "latenessMs"),
    ],
    ["source", "source_partition", "source_offset"],
  );
}

function deadLetters(plan: Plan): RecordTable {
  return recordTable(
    deadLetterTopic(plan.name),
    deadLetter,
    "dead_letters",
    [
      ...originColumns,
      field("value", "Nullable(String)", "value"),
      {
        column: { name: "headers", type: "String" },
        get: (value) => headersText(value["headers"]),
      },
      {
        column: { name: "schema_id", type: "Nullable(String)" },
        get: (value) => (value["schemaId"] === null ? null : String(value["schemaId"])),
      },
      field("step", "LowCardinality(String)", "step"),
      field("code", "LowCardinality(String)", "code"),
      field("reason", "String", "reason"),
    ],
    ["source", "source_partition", "source_offset"],
  );
}

/** JSON of `[{key, value}]`, values as base64. */
function headersText(headers: unknown): string {
  const list = headers as readonly { key: string; value: Buffer | null }[];
  return JSON.stringify(
    list.map(({ key, value }) => ({ key, value: value?.toString("base64") ?? null })),
  );
}

function driftWindows(topic: string): RecordTable {
  return recordTable(
    topic,
    drift,
    "drift",
    [
      field("watch", "LowCardinality(String)", "watch"),
      field("kind", "LowCardinality(String)", "kind"),
      field("window_start", utc, "windowStart"),
      field("window_end", utc, "windowEnd"),
      field("known_at", utc, "knownAt"),
      field("rows", "Int64", "rows"),
      field("feature", "Nullable(String)", "feature"),
      field("statistic", "Float64", "statistic"),
      field("threshold", "Float64", "threshold"),
      field("alarm", "UInt8", "alarm"),
      field("version", "Nullable(String)", "version"),
    ],
    ["window_start", "kind"],
  );
}

function models(): RecordTable {
  return recordTable(
    modelsTopic,
    model,
    "models",
    [
      field("topology", "LowCardinality(String)", "topology"),
      field("model", "LowCardinality(String)", "model"),
      field("version", "String", "version"),
      field("request_id", "String", "requestId"),
      field("promoted", "UInt8", "promoted"),
      field("reason", "String", "reason"),
      field("effective_from", utc, "effectiveFrom"),
      field("cutoff", utc, "cutoff"),
      field("trained_on", "Int64", "trainedOn"),
      field("held_out", "Int64", "heldOut"),
      field("holdout_auc", "Nullable(Float64)", "holdoutAuc"),
      field("champion_version", "Nullable(String)", "championVersion"),
      field("champion_auc", "Nullable(Float64)", "championAuc"),
      field("gain_lower_bound", "Nullable(Float64)", "gainLowerBound"),
      field("sha256", "String", "sha256"),
      field("reference", "String", "reference"),
    ],
    ["topology", "model", "effective_from", "version"],
  );
}

function keyColumn({ keyField, keyType }: ScoringSpec): RecordColumn {
  return field(snakeCase(keyField), keyType === "long" ? "Int64" : "String", keyField);
}

function schemaOf(plan: Plan, topic: string): AvroSchema {
  for (const { outputs } of plan.subtopologies) {
    for (const output of outputs) {
      if (output.kind === "topic" && output.topic === topic) return output.schema;
    }
  }
  throw new RangeError(`the plan writes no records to ${topic}`);
}
