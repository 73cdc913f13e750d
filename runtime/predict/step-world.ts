import type { FallbackReason, ModelInForce } from "../../processors/scoring/model-register.ts";
import type { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import type { OnlineStore } from "../../sinks/store.ts";
import type { Explanations } from "../services/explain/explanations.ts";
import type { Warn } from "../services/service.ts";
import type { Caller } from "./caller.ts";
import type { Champions } from "./champions.ts";
import type { ReadFeatures } from "./feature-reads.ts";
import type { MicroBatcher } from "./micro-batcher.ts";
import type { PredictionLog } from "./prediction-log.ts";
import type { ReadyModels } from "./ready-models.ts";
import type { Lane } from "./row-queue.ts";
import type { Asker, ServedPrediction } from "./served-prediction.ts";
import type { Shadowed } from "./shadows.ts";

/** How predictions are asked for. */
export interface PredictOptions {
  readonly asker: Asker;
  /** From the request to its answer, ms; null: the step's deadline for the model call alone. */
  readonly deadlineMs: number | null;
  /** Whether what is late is an error, and not answered by the fallback. */
  readonly failsLate: boolean;
  /** Whether to explain each score, behind the deadline. @default false */
  readonly explains?: boolean;
  /** Who goes first while rows wait for the model. @default "normal" */
  readonly lane?: Lane;
  /** Who waits for it: what nobody waits for is not scored. @default nobody who may leave */
  readonly caller?: Caller | null;
}

/** A prediction, or why there is none: RECORD_REFUSED, RECORD_EXCLUDED, PREDICTION_LATE. */
export type PredictOutcome = ServedPrediction | MillraceError;

/** What a step's predictions stand on. */
export interface StepWorld {
  readonly plan: Plan;
  readonly online: Pick<OnlineStore, "read">;
  readonly champions: Pick<Champions, "of">;
  readonly models: Pick<ReadyModels, "ready">;
  readonly batcher: MicroBatcher;
  readonly explanations: Pick<Explanations, "ofAll">;
  /** Takes what is answered; null: nobody does. */
  readonly log: PredictionLog | null;
  /** UTC ms; null: of a replay, whose views say how far it is. */
  readonly now: () => number | null;
  readonly warn: Warn;
  /** Told of each prediction that is answered. */
  readonly predicted: Predicted;
  /** Told what became of what shadows were to score. */
  readonly shadowed: Shadowed;
}

/** What answered: a version, or the fallback for a reason. */
export type Predicted = (
  step: string,
  answer: Pick<ServedPrediction, "version" | "fallbackReason">,
) => void;

/** The features of the records of a request. */
export interface Vectors {
  readonly values: Float64Array;
  readonly asOf: readonly number[];
  readonly read: ReadFeatures;
}

/** What answered for a record. */
export interface Scored {
  readonly probability: number;
  /** Of the model that answered; "": the fallback did. */
  readonly artifact: string;
  readonly version: string | null;
  readonly why: FallbackReason | null;
  readonly latencyMs: number;
}

/** How models are asked for the rows of a request. */
export interface Asking {
  readonly deadlineAt: number;
  readonly lane: Lane;
  readonly caller: Caller | null;
}

/** Rows that one model is asked for. */
export interface Group {
  readonly model: ModelInForce;
  readonly rows: number[];
}
