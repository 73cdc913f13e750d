import { parentPort, workerData } from "node:worker_threads";
import type { GateRule } from "../../../processors/train/gate.ts";
import { isStorageFull } from "../../../schemas/storage-error.ts";
import { openArtifactStore } from "./artifacts.ts";
import { NativeGuard } from "./native-guard.ts";
import { type TrainedModel, trainModel } from "./train-model.ts";
import { TrainingRowDecoder } from "./training-row-decoder.ts";

/** What a training thread is started with. */
export interface TrainingJob {
  readonly features: readonly string[];
  readonly calendar: readonly string[];
  readonly rule: GateRule;
  readonly championArtifact: string;
  readonly fallback: number;
  readonly directory: string;
  readonly guard: SharedArrayBuffer;
}

/** Chunks of RowBinary, then null. */
export type TrainingMessage = Uint8Array | null;

export type TrainingResult =
  | { readonly trained: TrainedModel }
  | { readonly failed: string }
  /** There is no room for the artifact in a directory: no answer, the run stops. */
  | { readonly full: string };

async function train(job: TrainingJob, decoder: TrainingRowDecoder): Promise<TrainingResult> {
  try {
    const trained = await trainModel(decoder.rows(), {
      artifacts: openArtifactStore(job.directory),
      calendar: new Set(job.calendar),
      rule: job.rule,
      championArtifact: job.championArtifact,
      fallback: job.fallback,
      guard: new NativeGuard(job.guard),
    });
    return { trained };
  } catch (error) {
    if (isStorageFull(error)) return { full: job.directory };
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}

const port = parentPort;
if (port !== null) {
  const job = workerData as TrainingJob;
  const decoder = new TrainingRowDecoder(job.features);
  port.on("message", (chunk: TrainingMessage) => {
    if (chunk !== null) {
      decoder.add(chunk);
      return;
    }
    void train(job, decoder).then((result) => {
      port.postMessage(result);
      port.close();
    });
  });
}
