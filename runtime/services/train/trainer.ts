import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Champion, TrainWork } from "../../../processors/train/train-work.ts";
import { ByteWriter } from "../../../schemas/bytes.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import { writeJson } from "../../../schemas/json-payload.ts";
import type { ModelAnswer, RetrainRequest } from "../../../schemas/payload.ts";
import type { OutcomeFacts, Plan, PredictionFacts } from "../../../schemas/plan.ts";
import { learnedBy } from "../../../schemas/steps/learned-by.ts";
import type { TrainingSpec } from "../../../schemas/steps/training.ts";
import { storageFull } from "../../../schemas/storage-error.ts";
import type { OfflineStore } from "../../../sinks/store.ts";
import { turnOffTelemetry } from "../../config/onnx-telemetry.ts";
import type { ModelTail } from "../models/model-tail.ts";
import { type ArtifactStore, readArtifact } from "./artifacts.ts";
import { NativeGuard } from "./native-guard.ts";
import { type TrainingRange, trainingCountSql, trainingRowsSql } from "./training-query.ts";
import type { TrainingJob, TrainingResult } from "./training-worker.ts";

export interface TrainerOptions {
  readonly plan: Plan;
  readonly training: TrainingSpec;
  readonly offline: Pick<OfflineStore, "query" | "queryStream">;
  readonly artifacts: ArtifactStore;
  /** Resolves once predictions and outcomes known before the cutoff stand in the offline store. */
  readonly whenStored: () => Promise<void>;
  /** Champions that somebody has named. @default there are none */
  readonly register?: Pick<ModelTail, "champions" | "look">;
  /** Live mode: the clock, UTC ms. @default a replay, whose time is that of its records */
  readonly now?: () => number;
  /** More rows are sampled down to this, by the seed of the algorithm. @default 200000 */
  readonly maxRows?: number;
  /** A training that takes longer is answered as failed. Wall clock, ms. @default 600000 */
  readonly timeoutMs?: number;
  /**
   * An answer that takes more is answered as failed: it would fit no record of the changelog, the
   * models or the decisions, which take 1 MiB. @default 1000000
   */
  readonly maxAnswerBytes?: number;
}

export const trainerDefaults = Object.freeze({
  register: { champions: async () => [], look: async () => {} },
  now: () => Number.NEGATIVE_INFINITY,
  maxRows: 200_000,
  timeoutMs: 600_000,
  maxAnswerBytes: 1_000_000,
});

/** Trains models on request, one at a time, each in a thread of its own. */
export interface Trainer {
  /**
   * Trains, judges and stores a model. A training that fails, gets stuck or lacks rows is an answer
   * too. What rejects is the offline store, for which a request waits as long as it takes, and a
   * disk without room for the artifact: the request is answered once there is some.
   *
   * @throws {MillraceError} STORAGE_FULL.
   */
  train(work: TrainWork): Promise<ModelAnswer>;
  /** Stops what runs (outside of native code) and refuses further requests. */
  close(): Promise<void>;
}

export function createTrainer(options: TrainerOptions): Trainer {
  return new ThreadTrainer({ ...trainerDefaults, ...options });
}

/** The bytes that a training processor's `settle` takes. */
export function encodeModelAnswer(answer: ModelAnswer): Buffer {
  const writer = new ByteWriter();
  writeJson(writer, answer);
  return writer.take();
}

class ThreadTrainer implements Trainer {
  readonly #options: Required<TrainerOptions>;
  readonly #predictions: PredictionFacts;
  readonly #outcomes: OutcomeFacts;
  #running: TrainingThread | null = null;
  #closed = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: Required<TrainerOptions>) {
    this.#options = options;
    const { plan, training } = options;
    const { outcomes, predictions } = learnedBy(plan, training);
    if (outcomes === undefined || predictions === undefined) {
      throw new RangeError(`${training.name}: the plan has no outcomes to train on`);
    }
    this.#predictions = predictions;
    this.#outcomes = outcomes;
  }

  /** One after the other: a task that is restored asks again while the first answer is due. */
  train(work: TrainWork): Promise<ModelAnswer> {
    const answer = this.#last.then(() => this.#train(work));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #train(work: TrainWork): Promise<ModelAnswer> {
    this.#mustBeOpen();
    const request = JSON.parse(work.request) as RetrainRequest;
    await this.#options.whenStored();
    const effectiveFrom = request.cutoff + this.#options.training.trainingTimeMs;
    let champion = await this.#champion(work, effectiveFrom);
    for (;;) {
      this.#mustBeOpen();
      const answer = await this.#against(champion, work, request, effectiveFrom);
      const present = answer.promoted ? await this.#champion(work, effectiveFrom) : champion;
      if (present?.artifact === champion?.artifact) return answer;
      // Another one was named in the meantime: that is the one to beat.
      champion = present;
    }
  }

  /** Which model a challenger has to beat when it would take effect: who came last. */
  async #champion({ promoted }: TrainWork, effectiveFrom: number): Promise<Champion | null> {
    const { register, now } = this.#options;
    await register.look();
    const until = Math.max(effectiveFrom, now());
    const named = (await register.champions(this.#predictions.model.name)).findLast(
      (change) => change.effectiveFrom <= until,
    );
    if (named === undefined) return promoted;
    if (promoted !== null && promoted.effectiveFrom >= named.effectiveFrom) return promoted;
    const { version, sha256: artifact } = named;
    return { version, artifact, effectiveFrom: named.effectiveFrom };
  }

  async #against(
    champion: Champion | null,
    work: TrainWork,
    request: RetrainRequest,
    effectiveFrom: number,
  ): Promise<ModelAnswer> {
    const looks = champion?.version === work.against ? work.looks : 0;
    const result = await this.#trainInThread(request, champion?.artifact ?? "", looks);
    if ("full" in result) throw storageFull(result.full);
    const common = {
      requestId: request.id,
      version: `v${request.number}`,
      effectiveFrom,
      cutoff: request.cutoff,
      championVersion: champion?.version ?? null,
    };
    const answer = "trained" in result ? { ...common, ...result.trained } : null;
    const tooLarge = answer === null ? null : this.#tooLarge(answer);
    if (answer !== null && tooLarge === null) return answer;
    const failed = "failed" in result ? result.failed : tooLarge;
    return {
      ...common,
      promoted: false,
      reason: `training failed: ${failed}`,
      trainedOn: 0,
      heldOut: 0,
      holdoutAuc: null,
      championAuc: null,
      gainLowerBound: null,
      sha256: "",
      reference: [],
    };
  }

  /** Why an answer fits no record, which would fail its commit for ever; null: it fits. */
  #tooLarge(answer: ModelAnswer): string | null {
    const { training, maxAnswerBytes: limitBytes } = this.#options;
    const sizeBytes = encodeModelAnswer(answer).length;
    if (sizeBytes <= limitBytes) return null;
    const context = { training: training.name, sizeBytes, limitBytes };
    const { code, message } = new MillraceError("TRAINING_OVERSIZE", context);
    return `${code}: ${message}`;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running?.stop("the trainer was closed");
  }

  /** A training that was interrupted has not failed: it is asked for again. */
  #mustBeOpen(): void {
    if (this.#closed) throw new RangeError("the trainer is closed");
  }

  async #trainInThread(
    request: RetrainRequest,
    championArtifact: string,
    looks: number,
  ): Promise<TrainingResult> {
    const { offline, training, maxRows, artifacts, timeoutMs } = this.#options;
    const range: TrainingRange = {
      predictions: this.#predictions,
      outcomes: this.#outcomes,
      cutoff: request.cutoff,
      overMs: training.overMs,
    };
    const [count] = await offline.query<{ n: number }>(trainingCountSql(range));
    // One that is nowhere is told by the thread that wants it: the training fails, the run goes on.
    if (championArtifact !== "") await artifacts.ensure(championArtifact).catch(unlessLost);
    const share = Math.min(1, maxRows / Math.max(1, count?.n ?? 0));
    // Nobody would wait for a thread that begins once all have been stopped.
    this.#mustBeOpen();
    const thread = new TrainingThread({
      features: this.#predictions.features,
      calendar: this.#predictions.request.flatMap(({ name, calendar }) => (calendar ? [name] : [])),
      rule: { promoteWhen: training.promoteWhen, look: looks + 1 },
      championArtifact,
      fallback: this.#predictions.fallback.value,
      directory: artifacts.directory,
    });
    this.#running = thread;
    try {
      const sql = trainingRowsSql(range, { seed: training.algorithm.seed, share });
      await offline.queryStream(sql, (chunk) => thread.add(chunk));
      const result = await thread.finish(timeoutMs);
      this.#mustBeOpen();
      await this.#share(result);
      return result;
    } finally {
      this.#running = null;
      await thread.stop("the rows could not be read");
    }
  }

  /** The thread has written the artifact here; it is told of only once everybody can have it. */
  async #share(result: TrainingResult): Promise<void> {
    if (!("trained" in result) || result.trained.sha256 === "") return;
    const { artifacts } = this.#options;
    await artifacts.put(await readArtifact(artifacts.directory, result.trained.sha256));
  }
}

/** @throws all but that an artifact is missing or damaged. */
function unlessLost(error: unknown): void {
  const lost = ["ARTIFACT_MISSING", "ARTIFACT_DAMAGED"];
  if (!(error instanceof MillraceError && lost.includes(error.code))) throw error;
}

/** One thread, one training. */
class TrainingThread {
  readonly #guard = new NativeGuard();
  readonly #worker: Worker;
  readonly #result: Promise<TrainingResult>;
  #resolve: (result: TrainingResult) => void = () => {};
  #ended = false;

  constructor(job: Omit<TrainingJob, "guard">) {
    this.#result = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    turnOffTelemetry();
    const here = fileURLToPath(import.meta.url);
    const workerData: TrainingJob = { ...job, guard: this.#guard.shared };
    // Compiled files end in .js, sources run directly in .ts.
    const entry = new URL(`./training-worker${extname(here)}`, import.meta.url);
    this.#worker = new Worker(entry, { workerData });
    this.#worker.on("message", (result: TrainingResult) => this.#resolve(result));
    this.#worker.on("error", (error) => this.#resolve({ failed: String(error) }));
    this.#worker.on("exit", (code) => {
      this.#ended = true;
      this.#resolve({ failed: `its thread ended with code ${code}` });
    });
  }

  add(chunk: Uint8Array): void {
    const copy = Uint8Array.from(chunk);
    this.#worker.postMessage(copy, [copy.buffer]);
  }

  async finish(timeoutMs: number): Promise<TrainingResult> {
    this.#worker.postMessage(null);
    const timer = setTimeout(() => {
      this.#resolve({ failed: `it took longer than ${timeoutMs} ms` });
    }, timeoutMs);
    try {
      return await this.#result;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Stops the thread, waiting while it is in native code. */
  async stop(reason: string): Promise<void> {
    this.#resolve({ failed: reason });
    while (!this.#ended && !this.#guard.tryStop()) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await this.#worker.terminate();
  }
}
