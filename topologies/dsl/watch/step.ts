import { durationText } from "../../../schemas/duration.ts";
import { drift, retrainRequest } from "../../../schemas/generated.ts";
import { watchedBy } from "../../../schemas/steps/learned-by.ts";
import type { DetectorSpec, RetrainTrigger, WatchSpec } from "../../../schemas/steps/watch.ts";
import * as column from "../compile/columns.ts";
import type { Link, Part } from "../compile/link.ts";
import type { Problems } from "../compile/problems.ts";
import {
  type Context,
  type Named,
  nameOf,
  type Specs,
  type StepModule,
} from "../compile/step-module.ts";
import { avroValues } from "../compile/stored-topics.ts";
import { block } from "../describe/text.ts";
import type { TriggerDefinition } from "../triggers.ts";
import type { DetectorDefinition, WatchDefinition } from "../watch.ts";

/** The one task that watches predictions and outcomes and asks for models. */
export const watch: StepModule<"watch", WatchDefinition> = {
  after: ["label"],
  needs: ({ outcomes }) => [
    { kind: "label", definition: outcomes, name: "outcomes", topic: outcomes.topic },
  ],
  streams: () => [],
  specs: watchSpecs,
  part,
  text,
};

/** Watches; each has the outcomes of one label step for itself. */
function watchSpecs(
  problems: Problems,
  watches: readonly Named<WatchDefinition>[],
  context: Context,
): WatchSpec[] {
  const specs = watches.map((watch) => watchSpec(problems, watch, context));
  specs.forEach((spec, i) => {
    const other = specs.slice(0, i).find((each) => each.outcomes === spec.outcomes);
    if (other === undefined) return;
    problems.add(
      `step "${spec.name}"`,
      `watches "${spec.outcomes}", which "${other.name}" watches already: use one watch`,
    );
  });
  return specs;
}

function watchSpec(
  problems: Problems,
  { name, definition }: Named<WatchDefinition>,
  { topology, reached }: Context,
): WatchSpec {
  const where = `step "${name}"`;
  const detectors = definition.detectors.map((each) => detectorSpec(problems, where, each));
  const kinds = detectors.map(({ kind }) => kind);
  problems.check(detectors.length > 0, where, "watchedFor() names no detector");
  problems.check(
    new Set(kinds).size === kinds.length,
    where,
    "watchedFor() names two detectors of a kind",
  );
  const cooldownMs = problems.duration(where, "cooldown", definition.cooldown);
  problems.check(definition.triggers.length > 0, where, "retrainedWhen() names no trigger");
  const triggers = definition.triggers.map((each) =>
    triggerSpec(problems, where, each, { kinds, cooldownMs }),
  );
  return {
    name,
    outcomes: nameOf(reached("label"), definition.outcomes),
    detectors,
    triggers,
    cooldownMs,
    driftTopic: `${topology}.drift`,
    requestTopic: `${topology}.retrain-requests`,
  };
}

function detectorSpec(
  problems: Problems,
  where: string,
  detector: DetectorDefinition,
): DetectorSpec {
  const overMs = problems.duration(where, `${detector.kind} window`, detector.over);
  if (detector.kind === "features") return { kind: "features", overMs };
  const { metric, floor } = detector;
  problems.check(metric === "auc", where, `metric "${metric}" is unknown: write "auc"`);
  problems.check(floor > 0 && floor < 1, where, `floor ${floor} must be between 0 and 1`);
  return { kind: "performance", metric: "auc", overMs, floor };
}

function triggerSpec(
  problems: Problems,
  where: string,
  trigger: TriggerDefinition,
  watch: { readonly kinds: readonly string[]; readonly cooldownMs: number },
): RetrainTrigger {
  switch (trigger.when) {
    case "no-model":
    case "labels":
      problems.whole(where, `labels of ${trigger.when}`, trigger.labels, 1);
      return trigger;
    case "drifted":
      problems.check(
        watch.kinds.includes(trigger.detector),
        where,
        `drifted("${trigger.detector}") has no such detector: add it to watchedFor()`,
      );
      return trigger;
    case "every": {
      const periodMs = problems.duration(where, "every", trigger.period);
      problems.check(
        !(periodMs < watch.cooldownMs),
        where,
        `every("${trigger.period}") is shorter than the cooldown, which would hold it back ` +
          "each time",
      );
      return { when: "every", periodMs };
    }
  }
}

/**
 * What a request promises: a prediction or an outcome may raise one at its knownAt, and so may a
 * timer (`every`, the end of a window). Models are only read: they end the wait for an answer and
 * say what the reference is. So the least of predictions, outcomes and the next timer is promised.
 */
function part(watch: WatchSpec, specs: Specs): Part {
  const { outcomes, predictions } = watchedBy(specs, watch);
  const { name } = watch;
  const taken = (from: string, input: string): Link => ({
    from,
    to: name,
    input,
    role: "trigger",
    fanOut: "key",
  });
  return {
    name,
    tasks: name,
    operator: () => ({
      kind: "watch",
      spec: {
        ...{ watch, features: predictions?.features ?? [], withinMs: outcomes?.withinMs ?? 0 },
        ...(predictions?.routing !== undefined && { routed: true }),
      },
    }),
    partitions: 1,
    promises: { triggers: ["predictions", "outcomes"], timers: true, lookAheadMs: 0 },
    outputs: [
      {
        spec: { kind: "topic", topic: watch.driftTopic, schema: drift, partitioning: "same" },
        stored: avroValues(drift, driftTable),
        shared: "output",
      },
      {
        spec: {
          kind: "topic",
          topic: watch.requestTopic,
          schema: retrainRequest,
          partitioning: "same",
        },
        stored: null,
        shared: "output",
      },
    ],
    links:
      outcomes === undefined
        ? []
        : [taken(outcomes.predictions, "predictions"), taken(outcomes.name, "outcomes")],
  };
}

const driftTable = column.records(
  "drift",
  [
    column.word("watch"),
    column.word("kind"),
    column.timestamp("window_start", "windowStart"),
    column.timestamp("window_end", "windowEnd"),
    column.timestamp("known_at", "knownAt"),
    column.integer("rows"),
    column.orNull(column.text("feature")),
    column.number("statistic"),
    column.number("threshold"),
    column.truth("alarm"),
    column.orNull(column.text("version")),
  ],
  ["window_start", "kind"],
);

function text(watch: WatchSpec): string {
  return block(`watch ${watch.name}`, [
    `of ${watch.outcomes}`,
    ...watch.detectors.map((each) => `watches ${detectorText(each)}`),
    ...watch.triggers.map((each) => `retrains when ${triggerText(each)}`),
    `cooldown ${durationText(watch.cooldownMs)}`,
    `into topics ${watch.driftTopic}, ${watch.requestTopic}`,
  ]);
}

function detectorText(detector: DetectorSpec): string {
  const over = `over ${durationText(detector.overMs)}`;
  if (detector.kind === "features") return `${detector.kind} ${over}`;
  return `${detector.kind} ${over}: ${detector.metric} below ${detector.floor}`;
}

function triggerText(trigger: RetrainTrigger): string {
  switch (trigger.when) {
    case "no-model":
      return `there is no model and ${trigger.labels} labels`;
    case "drifted":
      return `${trigger.detector} drifted`;
    case "every":
      return `${durationText(trigger.periodMs)} have passed`;
    case "labels":
      return `${trigger.labels} labels have come`;
  }
}
