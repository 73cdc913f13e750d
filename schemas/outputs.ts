import type { AvroSchema, OutcomeFacts, PredictionFacts } from "./plan.ts";
import { toldFields } from "./steps/rules.ts";

const timestamp = { type: "long", logicalType: "timestamp-millis" } as const;
type Field = AvroSchema["fields"][number];

/**
 * Avro schema of the predictions of a scoring step: the id, both times, the answer and who gave it,
 * the position of the triggering record, and the features as they were served.
 *
 * @param keyDoc - what the source says about its key field.
 */
export function predictionSchema(
  topology: string,
  predictions: PredictionFacts,
  keyDoc: string,
): AvroSchema {
  const name = pascalCase(predictions.name);
  return {
    type: "record",
    name,
    namespace: namespaceOf(topology),
    doc: `One prediction of ${predictions.name} for one record of ${predictions.source}.`,
    fields: [
      keyField(predictions, keyDoc),
      field("eventTime", timestamp, "Event time of the triggering record, UTC."),
      field("knownAt", timestamp, "When it was known, UTC: no feature is newer."),
      ...answerFields(predictions),
      fallbackReasonOf(predictions),
      field("incomplete", "boolean", "Whether features are missing that were not waited for."),
      field("latencyMs", "double", "Wall time that the model call took, in milliseconds."),
      nullable("featuresAsOf", timestamp, "When the newest record behind the features was known."),
      field("sourcePartition", "int", "Partition of the triggering record."),
      field("sourceOffset", "long", "Offset of the triggering record."),
      ...told(predictions),
      ...explanationFields(name, predictions),
      field("features", featuresType(`${name}Features`, predictions), "Features as served."),
    ],
  };
}

/**
 * Avro schema of the predictions of a scoring step that somebody has asked a gateway for: what was
 * answered to whom, and the features as they were served.
 *
 * @param keyDoc - what the source says about its key field.
 */
export function servedSchema(
  topology: string,
  predictions: PredictionFacts,
  keyDoc: string,
): AvroSchema {
  const name = `${pascalCase(predictions.name)}Served`;
  return {
    type: "record",
    name,
    namespace: namespaceOf(topology),
    doc: `One prediction of ${predictions.name} for a record that somebody asked with.`,
    fields: [
      keyField(predictions, keyDoc),
      field(
        "eventTime",
        timestamp,
        "Event time of the record, UTC; that of the request by default.",
      ),
      field("servedAt", timestamp, "When it was made, UTC."),
      ...answerFields(predictions),
      fallbackReasonOf(predictions),
      field("incomplete", "boolean", "Whether the features were not read in time."),
      field("latencyMs", "double", "Wall time that the model call took, in milliseconds."),
      nullable("featuresAsOf", timestamp, "Since when the newest row behind them is in force."),
      field(
        "status",
        "string",
        "Of the rows behind the features the worst: FRESH, MISSING, STALE.",
      ),
      field("origin", "string", "Who served it: gateway."),
      field("requestId", "string", "The request, as the log of the gateway has it."),
      nullable("caller", "string", "Id of the API key that asked; null: there are no keys."),
      ...told(predictions),
      ...explanationFields(name, predictions),
      field("features", featuresType(`${name}Features`, predictions), "Features as served."),
    ],
  };
}

/**
 * Avro schema of what shadows have scored beside the predictions of a routed step that a gateway
 * served: who scored what, and the answer that it stood beside.
 *
 * @param keyDoc - what the source says about its key field.
 */
export function shadowSchema(
  topology: string,
  predictions: PredictionFacts,
  keyDoc: string,
): AvroSchema {
  return {
    type: "record",
    name: `${pascalCase(predictions.name)}Shadow`,
    namespace: namespaceOf(topology),
    doc: `What a shadow scored beside a prediction of ${predictions.name} that was asked for.`,
    fields: [
      keyField(predictions, keyDoc),
      field("eventTime", timestamp, "Event time of the record, UTC."),
      field("servedAt", timestamp, "When the prediction was made, UTC."),
      ...answerFields(predictions),
      field("origin", "string", "Who served it: gateway."),
      field("requestId", "string", "The request, as the log of the gateway has it."),
      ...told(predictions),
    ],
  };
}

/**
 * Avro schema of the outcomes of a label step: a prediction and what came of it.
 *
 * @param keyDoc - what the source says about its key field.
 */
export function outcomeSchema(
  topology: string,
  predictions: PredictionFacts,
  outcomes: OutcomeFacts,
  keyDoc: string,
): AvroSchema {
  return {
    type: "record",
    name: pascalCase(outcomes.name),
    namespace: namespaceOf(topology),
    doc: `One prediction of ${predictions.name} joined with its label from ${outcomes.source}.`,
    fields: [
      keyField(predictions, keyDoc),
      field("predictedAt", timestamp, "When the triggering record was known, UTC."),
      field("knownAt", timestamp, "When the outcome was known, UTC."),
      field("labelled", "boolean", "False when no label came in time."),
      nullable("label", "boolean", "What came about, or is taken for it; null when unknown."),
      nullable("labelEventTime", timestamp, "Event time of the label record."),
      ...answerFields(predictions),
      ...told(predictions),
    ],
  };
}

function fallbackReasonOf({ tells = [] }: PredictionFacts): Field {
  const reasons = tells.includes("flags")
    ? "no model, late, failed, put aside or out of range"
    : "no model, late, failed or put aside";
  const doc = `Why the fallback answered: ${reasons}; null when a model did.`;
  return nullable("fallbackReason", "string", doc);
}

function explanationFields(name: string, { explains }: PredictionFacts): Field[] {
  if (explains !== true) return [];
  const contribution = {
    type: "record",
    name: `${name}Contribution`,
    fields: [
      field("feature", "string", "Name of the feature, or of the text that it is made of."),
      field("contribution", "double", "What it adds; below 0 what it takes away."),
    ],
  };
  const explanation = {
    type: "record",
    name: `${name}Explanation`,
    doc: "What features contributed to a score: all numbers add up to the margin or value.",
    fields: [
      field("expected", "double", "What the model says where no feature is known."),
      field(
        "contributions",
        { type: "array", items: contribution },
        "Of the features that contributed most, the largest first, whatever its sign.",
      ),
      field("rest", "double", "Sum of the contributions of all other features."),
      field("of", "string", "margin, of which a function makes the probability; or value."),
      field("by", "string", "How unknown features go: hitrates, leaves or coefficients."),
    ],
  };
  return [
    nullable("explanation", explanation, "Of the score that a model gave; null: see the reason."),
    nullable("explanationReason", "string", "Why there is no explanation; null where there is."),
  ];
}

const avroTypes = { number: "double", text: "string", boolean: "boolean" } as const;

function told(predictions: PredictionFacts): Field[] {
  return toldFields(predictions).map(({ name, type, nullable: isNullable, doc }) =>
    (isNullable ? nullable : field)(name, avroTypes[type], doc),
  );
}

function answerFields(predictions: PredictionFacts): Field[] {
  return [
    field("probability", "double", "Predicted probability of the label."),
    field("fallback", "boolean", "Whether the fallback answered instead of a model."),
    field("model", "string", `Name of the model: ${predictions.model.name}.`),
    nullable("version", "string", "Model version that answered; null for the fallback."),
  ];
}

function featuresType(name: string, { features }: PredictionFacts): unknown {
  return {
    type: "record",
    name,
    doc: "Features by name; null where missing.",
    fields: features.map((feature) =>
      nullable(feature, "double", `Feature ${feature}; null where missing.`),
    ),
  };
}

function keyField({ keyField, keyType }: PredictionFacts, doc: string): Field {
  return field(keyField, keyType, doc === "" ? "Key of the triggering record." : doc);
}

function field(name: string, type: unknown, doc: string): Field {
  return { name, type, doc };
}

function nullable(name: string, type: unknown, doc: string): Field {
  return { name, type: ["null", type], doc, default: null };
}

/** Name of the record: `late-arrivals` → `LateArrivals`. */
function pascalCase(name: string): string {
  return name.replace(/(?:^|(?<![-_])[-_]+)([A-Za-z0-9])/g, (_, first: string) =>
    first.toUpperCase(),
  );
}

/** Namespaces allow letters, digits and `_` only. */
function namespaceOf(topology: string): string {
  return topology.replaceAll("-", "_");
}
