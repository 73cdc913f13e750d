import {
  type FeatureViewSpec,
  featureColumns,
  snakeCase,
  viewId,
} from "../../../schemas/feature-view.ts";
import { deadLetter, drift, lateRecord, model } from "../../../schemas/generated.ts";
import type {
  AvroSchema,
  ColumnSpec,
  LabelSpec,
  ScoringSpec,
  StoredTopic,
  Subtopology,
  TableSpec,
} from "../../../schemas/plan.ts";
import { modelsTopic, rowsTopic, type Specs } from "./link.ts";
import { deadLetterTopic, lateTopic } from "./topics.ts";

/** Topics that go into stores, each once, though several steps write to it. */
export function storedTopics(specs: Specs, subtopologies: readonly Subtopology[]): StoredTopic[] {
  const drifts = new Set(specs.watches.map(({ driftTopic }) => driftTopic));
  const schemaOf = (topic: string) => outputSchema(subtopologies, topic);
  return [
    ...specs.views.map((view) => featureRows(specs.name, view)),
    ...specs.scorings
      .filter(isKept)
      .map((each) => avroTopic(each.topic, schemaOf(each.topic), predictionTable(each))),
    ...specs.labels.filter(isKept).flatMap((label) => {
      const scoring = specs.scorings.find((each) => each.name === label.predictions);
      if (scoring === undefined) return [];
      return [avroTopic(label.topic, schemaOf(label.topic), outcomeTable(scoring, label))];
    }),
    avroTopic(lateTopic(specs.name), lateRecord, lateTable),
    avroTopic(deadLetterTopic(specs.name), deadLetter, deadLetterTable),
    ...[...drifts].map((topic) => avroTopic(topic, drift, driftTable)),
    ...(specs.trainings.length > 0 ? [avroTopic(modelsTopic, model, modelTable)] : []),
  ];
}

function isKept({ stores }: Pick<ScoringSpec, "stores">): boolean {
  return stores.includes("offline");
}

function outputSchema(subtopologies: readonly Subtopology[], topic: string): AvroSchema {
  for (const { outputs } of subtopologies) {
    for (const output of outputs) {
      if (output.kind === "topic" && output.topic === topic) return output.schema;
    }
  }
  throw new RangeError(`nothing writes records to ${topic}`);
}

function avroTopic(topic: string, schema: AvroSchema, table: TableSpec): StoredTopic {
  return { topic, values: { kind: "avro", schema }, table, online: null };
}

/** Every row ever emitted, unique by (key, as_of, seq); of an instant the last one holds. */
function featureRows(topology: string, view: FeatureViewSpec): StoredTopic {
  const { name, version, keyFields, ttlMs, stores } = view;
  const keys = keyFields.map(snakeCase);
  const features = featureColumns(view).map(
    ({ column, aggregate }): ColumnSpec => ({ name: column, ...featureTypes[aggregate.output] }),
  );
  const table: TableSpec = {
    name: `${name}_v${version}`,
    view: name,
    version,
    columns: [
      ...keys.map((key) => word(key)),
      { ...timestamp("as_of"), ascending: true },
      whole("seq", 32),
      orNull(timestamp("valid_until")),
      whole("served", 8),
      ...features,
    ],
    orderBy: [...keys, "as_of", "seq"],
    shown: [...keys, "as_of", "valid_until", ...features.map((each) => each.name)],
    lastBy: [...keys, "as_of"],
  };
  return {
    topic: rowsTopic(topology, view),
    values: { kind: "rows", keyFields: keys.length },
    table: stores.includes("offline") ? table : null,
    online: stores.includes("online") ? { view: viewId(view), ttlMs } : null,
  };
}

const featureTypes = {
  count: { type: "integer", bits: 32, nullable: false },
  number: { type: "number", nullable: true },
  since: { type: "timestamp", nullable: true },
} as const;

/** A table whose view shows all of its rows. */
function records(
  name: string,
  columns: readonly ColumnSpec[],
  orderBy: readonly string[],
): TableSpec {
  const shown = columns.map((column) => column.name);
  return { name, view: name, version: 1, columns, orderBy, shown, lastBy: null };
}

function predictionTable(scoring: ScoringSpec): TableSpec {
  const id = idColumn(scoring);
  const columns = [
    id,
    timestamp("event_time", "eventTime"),
    timestamp("known_at", "knownAt"),
    ...answerColumns,
    orNull(text("fallback_reason", "fallbackReason")),
    truth("incomplete"),
    number("latency_ms", "latencyMs"),
    orNull(timestamp("features_as_of", "featuresAsOf")),
    whole("source_partition", 16, "sourcePartition"),
    integer("source_offset", "sourceOffset"),
    ...scoring.features.map((name) => orNull(number(name, `features.${name}`))),
  ];
  return records(scoring.name, columns, ["known_at", id.name]);
}

function outcomeTable(scoring: ScoringSpec, label: LabelSpec): TableSpec {
  const id = idColumn(scoring);
  const columns = [
    id,
    timestamp("predicted_at", "predictedAt"),
    timestamp("known_at", "knownAt"),
    truth("labelled"),
    orNull(truth("label")),
    orNull(timestamp("label_event_time", "labelEventTime")),
    ...answerColumns,
  ];
  return records(label.name, columns, ["known_at", id.name]);
}

function idColumn({ keyField, keyType }: ScoringSpec): ColumnSpec {
  const column = keyType === "long" ? integer : text;
  return column(snakeCase(keyField), keyField);
}

const answerColumns: readonly ColumnSpec[] = [
  number("probability"),
  truth("fallback"),
  word("model"),
  orNull(text("version")),
];

const originColumns: readonly ColumnSpec[] = [
  word("source", "topic"),
  whole("source_partition", 16, "partition"),
  integer("source_offset", "offset"),
  timestamp("timestamp"),
  orNull(text("key")),
];
const originOrder = ["source", "source_partition", "source_offset"];

const lateTable = records(
  "late_records",
  [
    ...originColumns,
    text("value"),
    timestamp("event_time", "eventTime"),
    timestamp("stream_time", "streamTime"),
    integer("lateness_ms", "latenessMs"),
  ],
  originOrder,
);

const deadLetterTable = records(
  "dead_letters",
  [
    ...originColumns,
    orNull(text("value")),
    text("headers"),
    orNull(text("schema_id", "schemaId")),
    word("step"),
    word("code"),
    text("reason"),
  ],
  originOrder,
);

const driftTable = records(
  "drift",
  [
    word("watch"),
    word("kind"),
    timestamp("window_start", "windowStart"),
    timestamp("window_end", "windowEnd"),
    timestamp("known_at", "knownAt"),
    integer("rows"),
    orNull(text("feature")),
    number("statistic"),
    number("threshold"),
    truth("alarm"),
    orNull(text("version")),
  ],
  ["window_start", "kind"],
);

const modelTable = records(
  "models",
  [
    word("topology"),
    word("model"),
    text("version"),
    text("request_id", "requestId"),
    truth("promoted"),
    text("reason"),
    timestamp("effective_from", "effectiveFrom"),
    timestamp("cutoff"),
    integer("trained_on", "trainedOn"),
    integer("held_out", "heldOut"),
    orNull(number("holdout_auc", "holdoutAuc")),
    orNull(text("champion_version", "championVersion")),
    orNull(number("champion_auc", "championAuc")),
    orNull(number("gain_lower_bound", "gainLowerBound")),
    text("sha256"),
    text("reference"),
  ],
  ["topology", "model", "effective_from", "version"],
);

function column(name: string, type: ColumnSpec["type"], from: string): ColumnSpec {
  return { name, type, nullable: false, ...(from !== name && { from }) };
}

function number(name: string, from = name): ColumnSpec {
  return column(name, "number", from);
}

function integer(name: string, from = name): ColumnSpec {
  return column(name, "integer", from);
}

function whole(name: string, bits: 8 | 16 | 32, from = name): ColumnSpec {
  return { ...column(name, "integer", from), bits };
}

function truth(name: string, from = name): ColumnSpec {
  return column(name, "boolean", from);
}

function text(name: string, from = name): ColumnSpec {
  return column(name, "text", from);
}

function word(name: string, from = name): ColumnSpec {
  return { ...column(name, "text", from), few: true };
}

function timestamp(name: string, from = name): ColumnSpec {
  return column(name, "timestamp", from);
}

function orNull(column: ColumnSpec): ColumnSpec {
  return { ...column, nullable: true };
}
