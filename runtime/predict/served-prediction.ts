import type { Explanation } from "../../processors/scoring/explain/explained-model.ts";
import type { ToldExplanation } from "../../processors/scoring/explain/told-explanation.ts";
import type { Told } from "../../processors/scoring/label-join.ts";
import type { FallbackReason } from "../../processors/scoring/model-register.ts";
import type { NotComputed } from "../../processors/scoring/native/native-model.ts";
import type { LookedUp } from "./feature-reads.ts";

/** Who asks. */
export interface Asker {
  /** As the log of the gateway has it. */
  readonly requestId: string;
  /** Id of the API key; null: there are no keys. */
  readonly user: string | null;
}

/** A prediction as it is served. */
export interface ServedPrediction {
  /** Text of the record's id. */
  readonly id: string;
  readonly eventTime: number;
  /** When it was made, UTC ms. */
  readonly predictedAt: number;
  readonly probability: number;
  /** The version that answered; null: the fallback did. */
  readonly version: string | null;
  readonly fallbackReason: FallbackReason | null;
  /** Wall time that the model call took, with what it waited for a batch; 0 for the fallback. */
  readonly latencyMs: number;
  /** Since when the newest row behind the features is in force; null: there is none. */
  readonly featuresAsOf: number | null;
  /** Whether the features were not read in time. */
  readonly incomplete: boolean;
  /** What rules and ranges made of it; null where the step has none. */
  readonly told: Told | null;
  /** By look-up; none where it is incomplete. */
  readonly lookedUp: readonly LookedUp[];
  /** The vector, NaN where missing. */
  readonly features: Float64Array;
  /** Of the model's score, or why there is none; null: nobody and no step asks for it. */
  readonly explanation: Explanation | ToldExplanation | NotComputed | null;
}

/** As its step tells it. */
export type LoggedPrediction = ServedPrediction & {
  readonly explanation: ToldExplanation | NotComputed | null;
};
