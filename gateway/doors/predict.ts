import { z } from "zod";
import type { LookedUp } from "../../runtime/predict/feature-reads.ts";
import type { Predictions } from "../../runtime/predict/predictions.ts";
import { lanes } from "../../runtime/predict/row-queue.ts";
import type { ServedPrediction } from "../../runtime/predict/served-prediction.ts";
import type { StepPredictor } from "../../runtime/predict/step-predictor.ts";
import type { PredictOutcome } from "../../runtime/predict/step-world.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { statusOf } from "../answers.ts";
import { anyObject } from "../any-names.ts";
import { type Door, door } from "../door.ts";
import { invalid } from "../read-request.ts";

/** Records of a request. */
const recordsMost = 1_000;
/** Records whose scores are explained at a time: each takes up to some milliseconds. */
const explainedMost = 100;
/** Longest deadline that makes sense, ms. */
const deadlineMost = 600_000;

const body = z.strictObject({
  record: anyObject
    .optional()
    .describe("Fields of a record of the step's source, those that the score depends on."),
  records: z
    .array(z.unknown())
    .min(1)
    .max(recordsMost)
    .optional()
    .describe(`In place of record: 1 to ${recordsMost} of them.`),
  allOrNone: z
    .boolean()
    .optional()
    .describe(
      "Whether one record without an answer fails the request, which is not logged then; else it alone is told why.",
    ),
  topology: z.string().optional().describe("Whose step, where several topologies have it."),
  deadlineMs: z
    .number()
    .min(1)
    .max(deadlineMost)
    .optional()
    .describe("From the request to the prediction; else the step's own for the model call."),
  late: z
    .enum(["fallback", "error"])
    .optional()
    .describe("What is late: answered by the fallback (the default), or an error, 504."),
  priority: z
    .enum(lanes)
    .optional()
    .describe("Who goes first where rows wait for their model; normal where left out."),
  features: z
    .boolean()
    .optional()
    .describe("Whether to tell the features, and status and age of what they came from."),
  explain: z
    .boolean()
    .optional()
    .describe(
      `Whether to explain the model's scores by all features, of up to ${explainedMost} records.`,
    ),
});

const explanation = z.object({
  expected: z.number().describe("What the model says where no feature is known."),
  contributions: z
    .record(z.string(), z.number())
    .describe("By feature; with expected and rest they add up to the margin, or to the value."),
  rest: z
    .number()
    .optional()
    .describe("Of a step that explains: the contributions of all features that it does not name."),
  of: z
    .enum(["margin", "value"])
    .describe("A margin is what a logistic function or softmax makes the probability of."),
  by: z
    .enum(["hitrates", "leaves", "coefficients"])
    .describe("How unknown features go: by the training's rows, by leaves, or as zeros."),
});

const prediction = z.object({
  id: z.string().describe("Of the record: the one that it brought, or a new one."),
  predictedAt: z.number().describe("UTC ms."),
  probability: z.number(),
  version: z.string().nullable().describe("Of the model that answered; null: the fallback did."),
  fallbackReason: z
    .enum(["no model", "late", "failed", "put aside", "out of range", "busy"])
    .nullable()
    .describe("Null: a model answered."),
  latencyMs: z.number().describe("Of the model call, with its wait for a batch."),
  score: z.number().optional().describe("Of a step with rules: the score before them."),
  rule: z.string().nullable().optional().describe("Rule that gave the probability; null: none."),
  decision: z.boolean().nullable().optional().describe("Of the first threshold that holds."),
  decidedBy: z.string().nullable().optional().describe("That threshold."),
  flags: z
    .array(z.string())
    .optional()
    .describe("Of a step with ranges: the features outside theirs."),
  role: z
    .string()
    .optional()
    .describe("Of a step that is routed, who answered: champion, challenger or fallback."),
  assigned: z.string().nullable().optional().describe("Version that was to; null: there is none."),
  rerouted: z.string().nullable().optional().describe("Why a challenger did not that was to."),
  bucket: z.number().optional().describe("Of the key, from 0 up to 1."),
  segment: z.string().nullable().optional().describe("Of the record."),
  features: z.record(z.string(), z.number().nullable()).optional(),
  explanation: explanation.nullable().optional().describe("Null: explanationReason says why."),
  explanationReason: z.string().optional(),
  lookedUp: z
    .array(
      z.object({
        slot: z.string().describe("Prefix of its features."),
        view: z.string().describe("name@version."),
        key: z.string().describe("Text of the entity."),
        status: z.enum(["FRESH", "STALE", "MISSING"]),
        asOf: z.number().nullable(),
        ageMs: z.number().nullable(),
      }),
    )
    .optional()
    .describe("Empty: the features were not read in time."),
});

const refused = z.object({
  index: z.number().describe("Of the record, from 0 on."),
  code: z.string(),
  reason: z.string(),
});

const head = { topology: z.string(), step: z.string(), model: z.string() };
const answers = z.union([
  z.object({ ...head, ...prediction.shape }),
  z.object({
    ...{ ...head, answered: z.number(), refused: z.number() },
    predictions: z
      .array(z.union([prediction, refused]))
      .describe("In the order of the records: what stands there, or why there is none."),
  }),
]);

/** Predictions on request. */
export function predictDoor(predictions: Pick<Predictions, "step">): Door {
  return door({
    method: "POST",
    path: "/v1/predict/:step",
    scope: "predict",
    title: "Predict",
    about:
      "Features of the record's entities from the online store in one round trip, with what the record brings itself, scored by the step's champion as the stream does it. Of many records in which some cannot be scored the others are answered (207; where none is, the status of the first one's error, with the same body).",
    parts: { step: "a scoring step of the application" },
    takes: "value",
    body,
    answers: { status: 200, schema: answers },
    errors: [
      ...(["STEP_UNKNOWN", "STEP_AMBIGUOUS", "STEP_UNSERVED"] as const),
      ...(["RECORD_REFUSED", "RECORD_EXCLUDED", "PREDICTION_LATE"] as const),
    ],
    handle: async ({ path: { step: name = "" }, body: given, requestId, user, caller }) => {
      const { record, records, topology = null, deadlineMs = null, late } = given;
      const { features = false, explain: explains = false, priority: lane = "normal" } = given;
      if ((record === undefined) === (records === undefined)) {
        invalid("body", "give one record, or records");
      }
      if (explains && records !== undefined && records.length > explainedMost) {
        invalid("body.records", `give up to ${explainedMost} where scores are to be explained`);
      }
      const step = predictions.step(name, topology);
      const asker = { requestId, user };
      const how = { asker, deadlineMs, failsLate: late === "error", explains, lane, caller };
      const { scoring } = step;
      const model = scoring.model.name;
      if (records === undefined) {
        const [made] = await step.predict([record], how, () => "body.record");
        const told = toldOf(step, made as ServedPrediction, features);
        return { body: { topology: step.topology, step: scoring.name, model, ...told } };
      }
      const where = (index: number) => `body.records[${index}]`;
      const outcomes: readonly PredictOutcome[] =
        given.allOrNone === true
          ? await step.predict(records, how, where)
          : await step.predictEach(records, how, where);
      const told = outcomes.map((each, index) =>
        each instanceof MillraceError
          ? { index, code: each.code, reason: each.message }
          : toldOf(step, each, features),
      );
      const refused = outcomes.filter((each) => each instanceof MillraceError);
      const answered = outcomes.length - refused.length;
      const counts = { answered, refused: refused.length };
      const head = { topology: step.topology, step: scoring.name, model };
      return {
        status: statusFor(refused, answered),
        body: { ...head, ...counts, predictions: told },
        refused: refused.map(({ code }) => code),
      };
    },
  });
}

/** As of a batch of events: some are refused, or all are. */
function statusFor([first]: readonly MillraceError[], answered: number): number {
  if (first === undefined) return 200;
  return answered > 0 ? 207 : statusOf(first.code);
}

function toldOf(
  step: StepPredictor,
  made: ServedPrediction,
  withFeatures: boolean,
): z.infer<typeof prediction> {
  return {
    id: made.id,
    predictedAt: made.predictedAt,
    probability: made.probability,
    version: made.version,
    fallbackReason: made.fallbackReason,
    latencyMs: made.latencyMs,
    ...(made.told !== null && judgedOf(made.told)),
    ...(made.explanation !== null && explanationOf(made)),
    ...(withFeatures && featuresOf(step, made)),
  };
}

function featuresOf({ scoring }: StepPredictor, made: ServedPrediction) {
  const features = scoring.features.map((name, i): [string, number | null] => {
    const value = made.features[i] as number;
    return [name, Number.isFinite(value) ? value : null];
  });
  return { features: Object.fromEntries(features), lookedUp: made.lookedUp.map(lookUpOf) };
}

/** A shadow scores behind the answer. */
function judgedOf({
  flags,
  shadowVersion: _,
  shadowScore: __,
  ...ruled
}: NonNullable<ServedPrediction["told"]>) {
  return flags === undefined ? ruled : { ...ruled, flags: flags === null ? [] : flags.split(", ") };
}

function explanationOf({ explanation: made }: ServedPrediction) {
  if (made === null) return {};
  if ("why" in made) return { explanation: null, explanationReason: made.why };
  const named: Iterable<readonly [string, number]> =
    "rest" in made
      ? made.contributions.map((each) => [each.feature, each.contribution])
      : made.contributions;
  return { explanation: { ...made, contributions: Object.fromEntries(named) } };
}

function lookUpOf({ slot, view, entity: key, status, asOf, ageMs }: LookedUp) {
  const told = (value: number | null) => (value === null || Number.isFinite(value) ? value : null);
  return { slot, view, key, status, asOf: told(asOf), ageMs: told(ageMs) };
}
