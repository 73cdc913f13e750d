import { z } from "zod";
import type { Predictions } from "../../runtime/predict/predictions.ts";
import type { StepPredictor } from "../../runtime/predict/step-predictor.ts";
import type { RowType } from "../../schemas/row-layout.ts";
import { type Door, door } from "../door.ts";

const list = z.object({
  steps: z.array(
    z.object({
      topology: z.string(),
      step: z.string(),
      model: z.string(),
      unserved: z.string().nullable().describe("Why it cannot be asked; null: it can."),
    }),
  ),
});

const description = z.object({
  topology: z.string(),
  step: z.string(),
  source: z.string().describe("Topic whose records it is asked about."),
  record: z
    .array(
      z.object({
        field: z.string().describe("By its path: of a record within a record a.b."),
        type: z
          .string()
          .describe("number, integer, boolean, text, timestamp (UTC ms), or a list of one."),
        required: z.boolean().describe("Whether a record without it is refused."),
        used: z.boolean().describe("Whether the score may depend on it."),
        role: z
          .enum(["id", "time"])
          .nullable()
          .describe("Left out, the id is a new one, and the time is now."),
        about: z.string().optional(),
      }),
    )
    .describe("Fields of a record, in the order of the source."),
  lookups: z.array(
    z.object({
      slot: z.string().describe("Prefix of its features."),
      view: z.string().describe("name@version."),
      keyFields: z.array(z.string()).describe("Of the record, in the order of the view's key."),
      features: z.array(z.string()),
    }),
  ),
  request: z
    .array(z.object({ feature: z.string(), field: z.string() }))
    .describe("Features that the record brings itself."),
  features: z.array(z.string()).describe("All of them, in the order of the vector."),
  model: z.object({ name: z.string(), alias: z.literal("champion") }),
  routing: z
    .object({ by: z.string(), segment: z.string().nullable() })
    .nullable()
    .describe("Fields of the record that say which version answers; null: the champion does."),
  deadlineMs: z.number().describe("Of the model call, where a request names none."),
  fallback: z.object({
    probability: z.number(),
    previous: z.boolean().describe("Whether the version before answers for one put aside."),
  }),
  rules: z
    .array(z.object({ name: z.string(), kind: z.enum(["override", "blockList", "threshold"]) }))
    .describe("In their order."),
  ranges: z.array(
    z.object({
      feature: z.string(),
      min: z.number().nullable(),
      max: z.number().nullable(),
      outside: z.enum(["flag", "refuse"]),
    }),
  ),
  explains: z.boolean().describe("Whether each prediction of the stream is explained."),
});

const query = z.strictObject({
  topology: z.string().optional().describe("Whose step, where several topologies have it."),
});

/** What there is to predict. */
export function stepDoors(predictions: Pick<Predictions, "step" | "steps">): readonly Door[] {
  return [
    door({
      method: "GET",
      path: "/v1/predict",
      scope: "predict",
      title: "The scoring steps",
      about: "All of them; of those that cannot be asked, why.",
      takes: "none",
      answers: { status: 200, schema: list },
      errors: [],
      handle: () => {
        const steps = predictions.steps().map(({ topology, facts, unserved }) => {
          const { name: step, model } = facts;
          return { topology, step, model: model.name, unserved: unserved?.message ?? null };
        });
        return { body: { steps } };
      },
    }),
    door({
      method: "GET",
      path: "/v1/predict/:step",
      scope: "predict",
      title: "A scoring step",
      about: "What it takes of a record, what it looks up, and how it answers.",
      parts: { step: "a scoring step of the application" },
      query,
      takes: "none",
      answers: { status: 200, schema: description },
      errors: ["STEP_UNKNOWN", "STEP_AMBIGUOUS", "STEP_UNSERVED"],
      handle: ({ path: { step: name = "" }, query: { topology = null } }) => ({
        body: descriptionOf(predictions.step(name, topology)),
      }),
    }),
  ];
}

function descriptionOf(step: StepPredictor): z.infer<typeof description> {
  const { topology, scoring } = step;
  const { source, fields, widths } = step.request;
  const { name, lookups, request, features, model, routing, deadlineMs, fallback } = scoring;
  const { rules = [], ranges = [], explains = false } = scoring;
  let at = 0;
  return {
    ...{ topology, step: name, source },
    record: fields.map(({ name: field, type, isRequired: required, isUsed: used, role, doc }) => {
      return { field, type: typeText(type), required, used, role, ...(doc && { about: doc }) };
    }),
    lookups: lookups.map(({ slot, view, keyFields }, index) => {
      const from = at;
      at += widths[index] ?? 0;
      return { slot, view, keyFields: [...keyFields], features: features.slice(from, at) };
    }),
    request: request.map(({ name: feature, field }) => ({ feature, field })),
    features: [...features],
    model: { name: model.name, alias: model.alias },
    routing: routing === undefined ? null : { by: routing.by, segment: routing.segment },
    deadlineMs,
    fallback: { probability: fallback.value, previous: fallback.previous === true },
    rules: rules.map(({ name: rule, kind }) => ({ name: rule, kind })),
    ranges: ranges.map(({ feature, min = null, max = null, outside }) => {
      return { feature, min, max, outside };
    }),
    explains,
  };
}

function typeText(type: RowType): string {
  return typeof type === "string" ? type : `list of ${type.list}`;
}
