import type { ExternalWork } from "../processor.ts";

/** A model that a challenger has to beat. */
export interface Champion {
  readonly version: string;
  /** sha256 of its ONNX artifact. */
  readonly artifact: string;
  /** UTC ms: in force for what is known after it. */
  readonly effectiveFrom: number;
}

/** A model to train. The result is a ModelAnswer by `schemas/json-payload.ts`. */
export interface TrainWork {
  /** JSON of a RetrainRequest. */
  readonly request: string;
  /** The last one that its training promoted; null: none. Somebody may have named another. */
  readonly promoted: Champion | null;
  /** Version that the last challengers were compared with, "" while there was none. */
  readonly against: string;
  /** How many they were. */
  readonly looks: number;
}

/** Name of the service that trains. */
export const trainService = "train";

export function isTrainWork(work: ExternalWork): work is ExternalWork<TrainWork> {
  return work.service === trainService;
}
