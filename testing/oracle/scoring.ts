import type { Scalar } from "../../schemas/expression.ts";
import { entityKey } from "../../schemas/feature-view.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { outcomesFor, viewNamed } from "../../schemas/plan-facts.ts";
import type { ScoringSpec } from "../../schemas/steps/scoring.ts";
import {
  inTasks,
  type Known,
  type Made,
  type StepOracle,
  streamOf,
  type World,
} from "./step-oracle.ts";
import { at, features, text } from "./view.ts";

/** One prediction of each record that comes outside the wait of the one before it of its id. */
export const scoring: StepOracle<ScoringSpec> = {
  needs: ({ source, lookups }) => [source, ...lookups.map(({ view }) => view)],
  add: (spec, world) => {
    const wait = outcomesFor(world.plan, spec)?.withinMs ?? Number.NEGATIVE_INFINITY;
    const predicted = new Map<string, Made[]>();
    for (const [rank, trigger] of streamOf(spec, world).entries()) {
      if (trigger.knownAt >= world.end) continue;
      const id = String(trigger.record[spec.keyField]);
      const earlier = predicted.get(id) ?? [];
      predicted.set(id, earlier);
      const last = earlier.at(-1);
      if (last !== undefined && trigger.knownAt <= last.knownAt + wait) continue;
      const { time, knownAt } = trigger;
      const partition = partitionOf(id, world.plan.partitions);
      const record = { id, knownAt, ...toldOf(spec, trigger, world) };
      earlier.push({ time, knownAt, index: 0, partition, order: [rank], record });
    }
    const made = [...predicted.values()].flat();
    const told = inTasks(made);
    world.made.set(spec.name, made);
    world.known.set(spec.name, told);
    world.predictions.push(...told.map(predictionText));
  },
};

/** Its vector, and the fields of its record. */
function toldOf({ lookups, request, features: names }: ScoringSpec, trigger: Known, world: World) {
  const values = lookups.flatMap((lookup) => {
    const view = viewNamed(world.plan, lookup.view);
    if (view === undefined) throw new RangeError(`the plan has no view ${lookup.view}`);
    const key = entityKey(lookup.keyFields.map((field) => trigger.record[field]));
    const list = world.eventsOf.get(lookup.view)?.get(key) ?? [];
    const seen = list.filter(
      (event) => event.knownAt < trigger.knownAt && event.time < trigger.knownAt,
    );
    const stored = features(view, seen, (length) => trigger.knownAt - length);
    return at(lookup, view, stored, trigger.knownAt);
  });
  const asked = request.map(({ field }) => trigger.record[field] as number | null);
  const vector = [...values, ...asked].map((value, i) => [`features.${names[i]}`, value]);
  const keys = Object.entries(trigger.record).map(([name, value]) => [`keys.${name}`, value]);
  return Object.fromEntries([...keys, ...vector]);
}

/** `id|knownAt|features`. */
function predictionText({ record }: Known): string {
  const vector = Object.entries(record).filter(([name]) => name.startsWith("features."));
  return [record["id"], record["knownAt"], text(vector.map(([, value]) => value as Scalar))].join(
    "|",
  );
}
