import type { Duration } from "../../schemas/duration.ts";
import type { Condition } from "../../schemas/expression.ts";
import type { RowLayout } from "../../schemas/row-layout.ts";
import { answerFields, idOf, keyPaths, keysOf, toldIn } from "./answers.ts";
import type { Test } from "./conditions.ts";
import type { StoreRole, StreamDefinition } from "./definitions.ts";
import type { FieldOf, Whole } from "./field-types.ts";
import { freezeDeeply } from "./freeze.ts";
import { type Records, records } from "./records.ts";
import type { Offline, OutputTopic } from "./roles.ts";
import type { ScoringDefinition, Told } from "./scoring.ts";
import type { SourceStream } from "./source-stream.ts";
import { type WatchFor, watchFor } from "./watch.ts";

export interface LabelDefinition {
  readonly predictions: ScoringDefinition;
  readonly source: StreamDefinition;
  readonly on: string;
  readonly within: string;
  readonly unlabelled: "negative" | "unknown";
  readonly label: Condition;
  readonly topic: string;
  readonly roles: readonly StoreRole[];
}

export interface LabelOptions<T, Id> {
  /** Field of the label record that holds the key of the prediction; one with null labels none. */
  readonly on: FieldOf<T, Whole<Id> | null>;
  /** Event time for which a prediction waits for its label. */
  readonly within: Duration;
  /**
   * What is taken for true once that time has passed without a label: the event did not come about
   * (of fraud that nobody disputed), or nobody knows. Such outcomes say `labelled: false`.
   *
   * @default "unknown"
   */
  readonly unlabelled?: "negative" | "unknown";
  /** What is true of the label record when the event came about. */
  readonly label: Test<T>;
}

/** Joins predictions with ground truth of another stream. */
export type LabelBy<Id, Keys> = <T>(
  stream: SourceStream<T>,
  options: LabelOptions<NoInfer<T>, Id>,
) => UnpublishedOutcomes<Id, Keys>;

/** Outcomes that do not say yet where they go. */
export interface UnpublishedOutcomes<Id, Keys> {
  /** Writes outcomes to a topic and, with `offline`, into the offline store. */
  into(topic: OutputTopic, ...stores: readonly Offline[]): Outcomes<Id, Keys>;
}

/**
 * Predictions joined with their labels, one outcome for each prediction. Features are kept over
 * them as over the records of a stream, each at the time that it is known.
 *
 * @example
 * outcomes.where(eq("labelled", true)).keyedBy("keys.card").over("30d").compute({ … })
 */
export interface Outcomes<Id = unknown, Keys = unknown> extends Records<Outcome<Id> & Keys> {
  readonly kind: "label";
  readonly definition: LabelDefinition;
  /** Watches predictions and outcomes over windows of event time. */
  readonly watchedFor: WatchFor;
}

/**
 * What an outcome says, with the id of its record as `id`, beside the fields of its record that
 * made entity keys, under their paths: `keys.card`.
 */
export interface Outcome<Id> extends Told {
  readonly id: Id;
  readonly predictedAt: number;
  readonly knownAt: number;
  readonly labelled: boolean;
  readonly label: boolean | null;
  readonly labelEventTime: number | null;
  readonly probability: number;
  readonly fallback: boolean;
  readonly model: string;
  readonly version: string | null;
}

export function labelBy<Id, Keys>(predictions: ScoringDefinition): LabelBy<Id, Keys> {
  return (stream, { on, within, unlabelled = "unknown", label }) =>
    freezeDeeply({
      into: (topic, ...roles) =>
        outcomes({
          predictions,
          source: stream.source,
          on,
          within,
          unlabelled,
          label: label.condition,
          topic: topic.name,
          roles,
        }),
    });
}

function outcomes<Id, Keys>(definition: LabelDefinition): Outcomes<Id, Keys> {
  return freezeDeeply({
    kind: "label",
    definition,
    watchedFor: watchFor(definition),
    ...records<Outcome<Id> & Keys>(recordsOf(definition)),
  });
}

function recordsOf(definition: LabelDefinition): StreamDefinition {
  const { predictions, topic } = definition;
  const { source } = predictions;
  const layout: RowLayout = {
    fields: [
      ...idOf(source),
      { name: "predictedAt", type: "timestamp", nullable: false },
      { name: "knownAt", type: "timestamp", nullable: false },
      { name: "labelled", type: "boolean", nullable: false },
      { name: "label", type: "boolean", nullable: true },
      { name: "labelEventTime", type: "timestamp", nullable: true },
      ...answerFields,
      ...toldIn(predictions),
      ...keyPaths(keysOf(predictions)),
    ],
  };
  const origin = { kind: "label", definition, name: "outcomes", topic } as const;
  const { lateness } = source;
  return { topic, origin, lateness, yielded: layout, layout, through: [], idField: "id" };
}
