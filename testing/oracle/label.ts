import { evaluate } from "../../schemas/expression.ts";
import type { LabelSpec } from "../../schemas/steps/label.ts";
import { inTasks, type Known, type Made, type StepOracle, streamOf } from "./step-oracle.ts";

/** Each prediction joined with what came about. */
export const label: StepOracle<LabelSpec> = {
  needs: ({ source, predictions }) => [source, predictions],
  add: (spec, world) => {
    const labels = streamOf(spec, world).filter(({ record }) => record[spec.keyField] !== null);
    const predicted = world.made.get(spec.predictions) ?? [];
    const ids = new Set(predicted.map(({ record }) => String(record["id"])));
    const outcomes = [...ids].flatMap((id) =>
      joinLabels(
        predicted.filter(({ record }) => record["id"] === id),
        spec,
        labels.filter((each) => String(each.record[spec.keyField]) === id),
        world.end,
        (each) => labels.indexOf(each),
      ),
    );
    const told = inTasks(outcomes);
    world.known.set(spec.name, told);
    world.outcomes.push(...told.map(outcomeText));
  },
};

/**
 * Outcomes of the predictions of one id, which are more than `within` apart. A label belongs to the
 * last prediction before it, for 2 × within; else it is early and waits for the next one.
 * A trigger of its own instant is processed first (look-ups and triggers precede updates).
 */
function joinLabels(
  predicted: readonly Made[],
  label: LabelSpec,
  labels: readonly Known[],
  end: number,
  rankOf: (label: Known) => number,
): Made[] {
  const { withinMs } = label;
  const truth = (each: Known) => (evaluate(label.label, each.record) ? 1 : 0);
  const known = labels.filter(
    (each) => each.knownAt < end && evaluate(label.label, each.record) !== null,
  );
  const isOwned = (each: Known) =>
    predicted.some(({ knownAt: q }) => q <= each.knownAt && each.knownAt <= q + 2 * withinMs);
  const early: Known[] = [];
  for (const each of known.filter((one) => !isOwned(one))) {
    const kept = early.at(-1);
    const claimed =
      kept && predicted.some(({ knownAt: q }) => kept.knownAt < q && q <= each.knownAt);
    // The first one of an id is kept for `within`; others are refused meanwhile.
    if (!kept || claimed || kept.knownAt + withinMs < each.knownAt) early.push(each);
  }
  return predicted.flatMap((prediction) => {
    const { knownAt: q, order } = prediction;
    const outcome = (knownAt: number, of: Known | null, rank: readonly number[]): Made => {
      const unlabelled = label.unlabelled === "negative" ? false : null;
      const told = {
        ...{ predictedAt: q, knownAt, labelled: of !== null },
        label: of === null ? unlabelled : truth(of) === 1,
        labelEventTime: of === null ? null : of.time,
      };
      return {
        ...prediction,
        knownAt,
        time: knownAt,
        order: rank,
        record: { ...prediction.record, ...told },
      };
    };
    const own = known.find((each) => isOwned(each) && each.knownAt >= q);
    const before = early.find((each) => each.knownAt < q && q <= each.knownAt + withinMs);
    // Of an instant triggers come first, then timers, then labels.
    if (before) return [outcome(q, before, [0, ...order])];
    if (own && own.knownAt < q + withinMs) return [outcome(own.knownAt, own, [2, rankOf(own)])];
    return q + withinMs < end ? [outcome(q + withinMs, null, [1, ...order])] : [];
  });
}

/** `id|knownAt|label`. */
function outcomeText({ record }: Known): string {
  const { labelled, label } = record;
  const told = labelled ? Number(label) : label === null ? "unlabelled" : "assumed 0";
  return [record["id"], record["knownAt"], told].join("|");
}
