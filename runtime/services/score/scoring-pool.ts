import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import type { ScoreWork } from "../../../processors/scoring/score-work.ts";
import { errorOf, MillraceError } from "../../../schemas/errors.ts";
import { turnOffTelemetry } from "../../config/onnx-telemetry.ts";
import { failedBatch } from "./answer-batch.ts";
import { ApartScorer } from "./apart-scorer.ts";
import { UnboundedModel } from "./model-cache.ts";
import { NativeScorer } from "./native-scorer.ts";
import type { OnnxModel } from "./onnx-model.ts";
import {
  type BatchAnswer,
  batchVectors,
  emptyResult,
  type MicroBatch,
  microBatches,
  placeAnswers,
  type ScoreResult,
  type Scorer,
} from "./scorer.ts";
import { type ScoringPoolOptions, scoringPoolDefaults } from "./scoring-pool-options.ts";
import { type ScoringFailure, type ScoringTask, TaskScorer } from "./scoring-task.ts";
import { ShortScorer } from "./short-scorer.ts";

/** Micro-batches given to a thread at most: one that it runs, one at hand. The rest waits here. */
const batchesPerThread = 2;

/** Given to the calling thread, where that scores: what waits can still be dropped. */
const batchesOfOwn = 1;

/** Threads that may end in one batch, and in batches of one model in a row, until it has failed. */
export const lostThreadsMax = 3;

/** How long runs that may take any time may go on once the pool is closed, ms. */
const closingMs = 5_000;

export type ScoringPool = Scorer;

/**
 * A pool of threads that score micro-batches, in the order in which they were asked for. What has
 * not been given to a thread can still be dropped. A thread is never stopped while a run is in
 * flight: `close` waits for every batch first. A thread that ends by itself is replaced, and what
 * it was at is asked for again, {@link lostThreadsMax} times in all. Models that are computed in
 * JavaScript are asked on the calling thread, and so are all others where the pool has no threads,
 * or where `shortMs` says so. A model whose runs may take any time is asked in processes of its
 * own, which can be ended ({@link ApartScorer}).
 */
export function createScoringPool(options: ScoringPoolOptions): ScoringPool {
  turnOffTelemetry();
  return new Pool({ ...scoringPoolDefaults, ...options });
}

/** A micro-batch that waits for its turn; `start` gives it one, `drop` the reason for none. */
interface Waiting extends Dropped {
  readonly start: () => void;
}

interface Dropped {
  readonly drop: (reason: unknown) => void;
}

/** One call for scores: what of it is to hear that it is over before its answers are there. */
class Call {
  readonly parts = new Set<Dropped>();
  #over: { readonly reason: unknown } | null = null;

  drop(reason: unknown): void {
    this.#over ??= { reason };
    for (const each of this.parts) each.drop(reason);
  }

  throwIfOver(): void {
    if (this.#over !== null) throw this.#over.reason;
  }
}

/** The thread of a batch ended, and another has taken its place. */
class ThreadEnded extends Error {}

class Pool implements ScoringPool {
  readonly #options: Required<ScoringPoolOptions>;
  readonly #native: NativeScorer;
  /** Null: threads score. */
  readonly #own: TaskScorer | null;
  readonly #short: ShortScorer;
  /** Scores by models whose runs may take any time. */
  readonly #apart: ApartScorer;
  /** None after the last thread ended, until one is needed. */
  #threads: Piscina | null;
  /** Why the last thread ended. */
  #ended: unknown;
  /** Ended once the threads have loaded what they need, or could not. */
  #warmed: Promise<unknown> = Promise.resolve();
  #rows = 0;
  /** Under way. */
  #calls = 0;
  /** Given to threads and not answered. */
  #batches = 0;
  #closed: Promise<void> | null = null;
  /** Oldest first. */
  readonly #waiting = new Set<Waiting>();
  /** By artifact: threads that have ended at it in a row, and why the last one did. */
  readonly #lostTo = new Map<string, { readonly threads: number; readonly reason: string }>();
  #whenDrained: (() => void) | null = null;

  constructor(options: Required<ScoringPoolOptions>) {
    const { threads, artifacts } = options;
    if (!Number.isInteger(threads) || threads < 0) throw new RangeError(`${threads} threads`);
    this.#options = options;
    this.#native = new NativeScorer(artifacts.directory);
    this.#short = new ShortScorer(artifacts.directory, threads === 0 ? 0 : options.shortMs);
    const { runMs, loadMs, givesUp, hung } = options;
    this.#apart = new ApartScorer({
      ...{ directory: artifacts.directory, processes: Math.max(1, threads), givesUp, hung },
      limits: { runMs, loadMs },
    });
    this.#own = threads === 0 ? new TaskScorer(artifacts.directory) : null;
    this.#threads = threads === 0 ? null : this.#start();
  }

  get rowsInFlight(): number {
    return this.#rows;
  }

  async score(work: ScoreWork, signal?: AbortSignal): Promise<ScoreResult> {
    if (this.#closed !== null) throw new MillraceError("SCORING_CLOSED");
    signal?.throwIfAborted();
    this.#calls++;
    try {
      return await this.#scoreAll(work, signal);
    } finally {
      this.#calls--;
      if (this.#calls === 0) this.#whenDrained?.();
    }
  }

  async #scoreAll(work: ScoreWork, signal: AbortSignal | undefined): Promise<ScoreResult> {
    const started = performance.now();
    const rows = work.versionOf.length;
    const result = emptyResult(rows);
    const call = new Call();
    const runs = microBatches(work).map(async (batch) => {
      const native = await this.#native.model(batch.artifact);
      call.throwIfOver();
      const answers =
        native === null
          ? await this.#answer(work, batch, call)
          : await this.#compute(native, work, batch, signal);
      placeAnswers(result, batch, answers, performance.now() - started);
    });
    for (const run of runs) run.catch((error: unknown) => call.drop(error));
    const abort = (): void => call.drop(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    // Every batch under way ends before the caller hears of a failure: nothing runs on unseen.
    const ended = await Promise.allSettled(runs);
    signal?.removeEventListener("abort", abort);
    for (const each of ended) if (each.status === "rejected") throw each.reason;
    return result;
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    const over = setTimeout(() => void this.#apart.close(), closingMs);
    await this.#drain();
    clearTimeout(over);
    await this.#apart.close();
    await this.#own?.close();
    await this.#short.close();
    // A thread that is ended while it loads a library may end the process.
    await this.#warmed;
    await this.#threads?.destroy();
  }

  #start(): Piscina {
    const { artifacts, threads, warms } = this.#options;
    const here = fileURLToPath(import.meta.url);
    // Compiled files end in .cjs, sources run directly in .cts.
    const ending = `c${extname(here).slice(1)}`;
    const started = new Piscina({
      filename: fileURLToPath(new URL(`./scoring-thread.${ending}`, import.meta.url)),
      name: "scoreBatch",
      workerData: { directory: artifacts.directory },
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
    });
    // A thread that ended without a batch: unheard, the event would end the process.
    started.on("error", (error) => this.#lost(started, error));
    if (warms) {
      const tasks = Array.from({ length: threads }, () => started.run(null, { name: "warmUp" }));
      this.#warmed = Promise.allSettled(tasks);
    }
    return started;
  }

  /**
   * A thread ended. Piscina starts another only if the one before had started well; where none is
   * left, what it holds would wait for ever.
   */
  #lost(threads: Piscina, cause: unknown): void {
    if (threads !== this.#threads || threads.threads.length > 0) return;
    this.#threads = null;
    this.#ended = cause;
    // Stops nothing, for no thread is left: refuses what is queued.
    void threads.destroy();
  }

  /** Here, in JavaScript. */
  async #compute(
    model: OnnxModel,
    work: ScoreWork,
    batch: MicroBatch,
    signal: AbortSignal | undefined,
  ): Promise<BatchAnswer> {
    const rows = batch.rows.length;
    this.#rows += rows;
    try {
      return await this.#native.score(model, batchVectors(work, batch), rows, signal);
    } finally {
      this.#rows -= rows;
    }
  }

  /** Asks a thread, and the next one where it ends: what it was at may not have been the cause. */
  async #answer(work: ScoreWork, batch: MicroBatch, call: Call): Promise<BatchAnswer> {
    const { artifact, rows } = batch;
    if (this.#apart.knows(artifact)) return await this.#askApart(work, batch, call);
    const short = this.#short.ask(artifact, rows.length, () => batchVectors(work, batch));
    if (short !== null) return await this.#counted(rows.length, short);
    for (let threads = 1; ; threads++) {
      const before = this.#lostTo.get(artifact);
      if (before !== undefined && before.threads >= lostThreadsMax) {
        return failedBatch(rows.length, before.reason);
      }
      await this.#turn(call);
      try {
        const answer = await this.#run(work, batch);
        if (this.#lostTo.size > 0) this.#lostTo.delete(artifact);
        return answer;
      } catch (error) {
        if (error instanceof UnboundedModel) {
          this.#apart.learn(artifact);
          return await this.#askApart(work, batch, call);
        }
        if (!(error instanceof ThreadEnded)) throw error;
        const lost = this.#lostTo.get(artifact)?.threads ?? 0;
        const reason = `its thread ended: ${error.message}`;
        this.#lostTo.set(artifact, { threads: lost + 1, reason });
        if (threads >= lostThreadsMax) return failedBatch(rows.length, reason);
      }
    }
  }

  /** Once it is dropped nothing of it begins, and what has begun is not waited for. */
  async #askApart(work: ScoreWork, batch: MicroBatch, call: Call): Promise<BatchAnswer> {
    const { artifact, rows } = batch;
    const vectors = () => batchVectors(work, batch);
    const over = new AbortController();
    const entry: Dropped = { drop: (reason) => over.abort(reason) };
    call.throwIfOver();
    call.parts.add(entry);
    try {
      const asked = this.#apart.ask(artifact, rows.length, vectors, over.signal);
      return await this.#counted(rows.length, asked);
    } finally {
      call.parts.delete(entry);
    }
  }

  async #run(work: ScoreWork, batch: MicroBatch): Promise<BatchAnswer> {
    const { artifact, rows } = batch;
    const task = { artifact, rows: rows.length, vectors: batchVectors(work, batch) };
    try {
      const answer = await this.#counted(rows.length, this.#ask(task));
      this.#short.took(artifact, rows.length, answer);
      return answer;
    } finally {
      this.#leave();
    }
  }

  async #counted(rows: number, asked: Promise<BatchAnswer | ScoringFailure>): Promise<BatchAnswer> {
    this.#rows += rows;
    try {
      const answer = await asked;
      if ("probabilities" in answer) return answer;
      if (answer.isUnbounded) throw new UnboundedModel();
      if (answer.code === null) throw answer.cause;
      throw errorOf(answer.code, answer.context, { cause: answer.cause });
    } finally {
      this.#rows -= rows;
    }
  }

  async #ask(task: ScoringTask): Promise<BatchAnswer | ScoringFailure> {
    if (this.#own !== null) return await this.#own.run(task);
    this.#threads ??= this.#start();
    const threads = this.#threads;
    try {
      return await threads.run(task, { transferList: [task.vectors.buffer] });
    } catch (error) {
      this.#lost(threads, error);
      const reason = textOf(error);
      if (threads === this.#threads) throw new ThreadEnded(reason, { cause: error });
      // No thread can be started: that is no model's fault.
      this.#lostTo.clear();
      const cause = this.#ended;
      throw new MillraceError("SCORING_THREAD_LOST", { reason: textOf(cause) }, { cause });
    }
  }

  /** Waits until a thread has room; the call holds the batch until then. */
  async #turn({ parts }: Call): Promise<void> {
    if (this.#waiting.size === 0 && this.#hasRoom()) {
      this.#batches++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(entry);
        parts.delete(entry);
      };
      const entry: Waiting = {
        start: () => {
          leave();
          this.#batches++;
          resolve();
        },
        drop: (reason) => {
          leave();
          reject(reason);
        },
      };
      this.#waiting.add(entry);
      parts.add(entry);
    });
  }

  #hasRoom(): boolean {
    const { threads } = this.#options;
    return this.#batches < (threads === 0 ? batchesOfOwn : threads * batchesPerThread);
  }

  #leave(): void {
    this.#batches--;
    for (const next of this.#waiting) {
      if (!this.#hasRoom()) break;
      next.start();
    }
  }

  /** What was asked for is answered first, whether it runs, waits or has not been looked at. */
  async #drain(): Promise<void> {
    if (this.#calls > 0) {
      await new Promise<void>((resolve) => {
        this.#whenDrained = resolve;
      });
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
