import type { Duration } from "../../schemas/duration.ts";
import type { Condition } from "../../schemas/expression.ts";
import type { Test } from "./conditions.ts";
import type { StoreRole, StreamDefinition } from "./definitions.ts";
import type { FieldOf } from "./field-types.ts";
import { freezeDeeply } from "./freeze.ts";
import type { Offline, OutputTopic } from "./roles.ts";
import type { ScoringDefinition } from "./scoring.ts";
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
  /** Field of the label record that holds the key of the prediction. */
  readonly on: FieldOf<T, Id>;
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
export type LabelBy<Id> = <T>(
  stream: SourceStream<T>,
  options: LabelOptions<NoInfer<T>, Id>,
) => UnpublishedOutcomes;

/** Outcomes that do not say yet where they go. */
export interface UnpublishedOutcomes {
  /** Writes outcomes to a topic and, with `offline`, into the offline store. */
  into(topic: OutputTopic, ...stores: readonly Offline[]): Outcomes;
}

/** Predictions joined with their labels, one outcome for each prediction. */
export interface Outcomes {
  readonly kind: "label";
  readonly definition: LabelDefinition;
  /** Watches predictions and outcomes over windows of event time. */
  readonly watchedFor: WatchFor;
}

export function labelBy<Id>(predictions: ScoringDefinition): LabelBy<Id> {
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

function outcomes(definition: LabelDefinition): Outcomes {
  return freezeDeeply({ kind: "label", definition, watchedFor: watchFor(definition) });
}
