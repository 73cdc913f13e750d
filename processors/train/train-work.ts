import type { ExternalWork } from "../processor.ts";

/** A model to train. The result is a ModelAnswer by `schemas/json-payload.ts`. */
export interface TrainWork {
  /** JSON of a RetrainRequest. */
  readonly request: string;
  /** Version in force, null while there is none. */
  readonly champion: string | null;
  /** sha256 of the champion's ONNX artifact, "" while there is none. */
  readonly championArtifact: string;
  /** How many challengers the champion has met before. */
  readonly looks: number;
}

/** Name of the service that trains. */
export const trainService = "train";

export function isTrainWork(work: ExternalWork): work is ExternalWork<TrainWork> {
  return work.service === trainService;
}
