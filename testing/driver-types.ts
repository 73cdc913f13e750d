import { MillraceError } from "../schemas/errors.ts";
import { formatText } from "../schemas/formats/formats.ts";
import { avro } from "../schemas/formats/kinds.ts";
import { nearest } from "../schemas/nearest.ts";
import type { Plan, SourceSpec } from "../schemas/plan.ts";
import { canonical } from "../schemas/plan-parts.ts";
import type { RecordSchema } from "../schemas/record-schema.ts";
import type { Prediction, Predictions } from "../topologies/dsl/scoring.ts";
import type { RecordFormat } from "../topologies/dsl/stream.ts";
import type { FeatureView } from "../topologies/dsl/view.ts";

/** A feature view of the topology, as `asFeatureView(…).into(…)` gives it; or its id. */
export type NamedView<Column extends string> = Pick<
  FeatureView<readonly never[], Column>,
  "kind" | "__columns"
> & { readonly definition: { readonly id: string } };

/** A scoring step of the topology, as `scoredBy(…).into(…)` gives it. */
export type NamedPredictions<Feature extends string> = Pick<
  Predictions<unknown, Feature>,
  "kind" | "__features"
> & { readonly definition: { readonly topic: string } };

/** What a prediction's record holds; its id, under the name of its field, is the key. */
export type PredictionValue<Feature extends string> = Omit<
  Prediction<unknown, never, unknown>,
  "id"
> & { readonly features: { readonly [F in Feature]: number | null } };

/** How the values of a source are written, as `from` was given it. */
export type FormatOf<T> = RecordFormat<T> | RecordSchema<T>;

/** The topic of a name, with a near one where there is none. */
export function checkTopic(
  plan: Plan,
  kind: "source" | "topic",
  topic: string,
  known: readonly string[],
): void {
  if (known.includes(topic)) return;
  const all =
    kind === "source" ? ` (it has ${known.join(", ")})` : ": describe() lists those it has";
  const near = nearest(topic, known) || all;
  throw new MillraceError("UNKNOWN_TOPIC", { topic, near, plan: plan.name, kind });
}

/** @throws {RangeError} where a source is written otherwise. */
export function checkFormat({ topic, format }: SourceSpec, given: FormatOf<unknown>): void {
  const spec = "kind" in given ? given : avro(given);
  if (canonical(spec) === canonical(format)) return;
  throw new RangeError(`${topic} is written as ${formatText(format).heading}, another format`);
}
