import { createHash } from "node:crypto";
import type { Model } from "../../schemas/generated.ts";
import { packageVersion } from "../../schemas/package-version.ts";
import type { ReferenceHistogram } from "../../schemas/payload.ts";
import type { Plan } from "../../schemas/plan.ts";
import { learnedBy, trainingFor } from "../../schemas/steps/learned-by.ts";
import type { AdoptedRun, LoggedMetric, Pair } from "../../schemas/tracking-command.ts";

type Training = NonNullable<ReturnType<typeof trainingFor>>;

/** What identifies a training, and what came of it. */
type Answered = Pick<Model, "topology" | "model" | "requestId" | "cutoff" | "sha256">;

/** Id of the run that a training is: the same wherever it is asked, 32 hexadecimal digits. */
export function trainedRunId(answer: Answered): string {
  const { topology, model, requestId, cutoff, sha256 } = answer;
  const parts = ["trained", topology, model, requestId, cutoff, sha256];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}

/**
 * A training as a run of MLflow, by what the trainer answered and what the plan, as it is now, says
 * of the training. Its times are those of the stream.
 *
 * @param answers - of the same model, to find the run of the champion that it was compared with.
 */
export function trainedRun(plan: Plan, answer: Model, answers: readonly Model[]): AdoptedRun {
  const training = trainingFor(plan, answer.requestId);
  const reference = JSON.parse(answer.reference || "[]") as readonly ReferenceHistogram[];
  const features = reference.map(({ feature }) => feature);
  return {
    run: trainedRunId(answer),
    experiment: `${answer.topology}: trainings of ${answer.model}`,
    user: "the trainer",
    name: `${answer.model} ${answer.version}`,
    // Without a version there is nothing to look at, whether it failed or lacked rows.
    status: answer.sha256 === "" ? "FAILED" : "FINISHED",
    ...{ startTime: answer.cutoff, endTime: answer.effectiveFrom },
    params: training === undefined ? [] : paramsOf(training, features),
    metrics: metricsOf(answer),
    tags: tagsOf(plan, answer, answers, training),
    datasets: training === undefined ? [] : datasetsOf(plan, answer, training, features),
  };
}

function paramsOf(training: Training, features: readonly string[]): Pair[] {
  const { algorithm, overMs, trainingTimeMs, promoteWhen } = training;
  const { kind, ...options } = algorithm;
  return pairs({
    algorithm: kind,
    ...options,
    over_ms: overMs,
    training_time_ms: trainingTimeMs,
    promote_when: promoteWhen.kind,
    ...("by" in promoteWhen && { promote_by: promoteWhen.by }),
    // As many as fit; all of them stand in the schema of the dataset.
    ...(features.length > 0 && {
      feature_count: features.length,
      features: features.join(",").slice(0, 6_000),
    }),
  });
}

function metricsOf(answer: Model): LoggedMetric[] {
  const { trainedOn, heldOut, holdoutAuc, championAuc, gainLowerBound } = answer;
  const values = {
    ...{ trained_on_rows: trainedOn, held_out_rows: heldOut, holdout_auc: holdoutAuc },
    ...{ champion_auc: championAuc, gain_lower_bound: gainLowerBound },
  };
  return Object.entries(values).flatMap(([key, value]) =>
    value === null ? [] : [{ key, value, timestamp: answer.effectiveFrom, step: 0 }],
  );
}

function tagsOf(
  plan: Plan,
  answer: Model,
  answers: readonly Model[],
  training: Training | undefined,
): Pair[] {
  const { topology, version, sha256, championVersion: parent, promoted, reason } = answer;
  const parentAnswer = answers.find((each) => each.version === parent && each.sha256 !== "");
  const tags = pairs({
    "mlflow.source.type": "JOB",
    "mlflow.source.name": `millrace ${topology}/${training?.name ?? "trainer"}`,
    "mlflow.note.content": reason,
    "millrace.topology": topology,
    "millrace.request": answer.requestId,
    "millrace.promoted": promoted,
    "millrace.why": reason,
    "millrace.plan": plan.fingerprint,
    "millrace.package": packageVersion,
    ...(sha256 !== "" && { "millrace.version": version, "millrace.sha256": sha256 }),
    ...(parent !== null && { "millrace.parent": parent }),
    ...(parentAnswer && { "millrace.parent.run": trainedRunId(parentAnswer) }),
    ...(training && rangeOf(answer, training)),
  });
  return tags.map(({ key, value }) => ({ key, value: value.slice(0, 8_000) }));
}

/** Outcomes known in this range of the stream's time were the training data. */
function rangeOf({ cutoff }: Model, { overMs }: Training) {
  return {
    "millrace.data.from": new Date(cutoff - overMs).toISOString(),
    "millrace.data.before": new Date(cutoff).toISOString(),
  };
}

function datasetsOf(
  plan: Plan,
  answer: Model,
  training: Training,
  features: readonly string[],
): AdoptedRun["datasets"] {
  const { topology, trainedOn, heldOut } = answer;
  const { outcomes, predictions } = learnedBy(plan, training);
  if (outcomes === undefined || predictions === undefined) return [];
  const tables = { outcomes: outcomes.name, predictions: predictions.name };
  const source = JSON.stringify({ topology, ...tables, ...rangeOf(answer, training) });
  const columns = features.map((name) => ({ type: "double", name, required: false }));
  const dataset = {
    name: `${topology}.${outcomes.name}`,
    digest: createHash("sha256").update(source).digest("hex").slice(0, 8),
    ...{ source_type: "millrace", source },
    schema: JSON.stringify({ mlflow_colspec: columns }),
    profile: JSON.stringify({ num_rows: trainedOn + heldOut }),
  };
  return [{ tags: pairs({ "mlflow.data.context": "train" }), dataset }];
}

function pairs(of: Readonly<Record<string, string | number | boolean>>): Pair[] {
  return Object.entries(of).map(([key, value]) => ({ key, value: String(value) }));
}
