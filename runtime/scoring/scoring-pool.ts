import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { MillraceError } from "../../schemas/errors.ts";
import { createInlineScorer } from "./inline-scorer.ts";
import {
  batchVectors,
  type MicroBatch,
  microBatches,
  placeAnswers,
  type ScoreResult,
  type Scorer,
  type ScoreWork,
} from "./scorer.ts";
import type { ScoringFailure, ScoringTask } from "./scoring-worker.ts";

export interface ScoringPoolOptions {
  /** Where the models are. */
  readonly artifacts: { readonly directory: string };
  /** Worker threads; 0: the calling thread scores, which blocks it meanwhile. @default 1 */
  readonly threads?: number;
  /** Rows in flight at most; further micro-batches wait uncopied. @default 65536 */
  readonly maxQueueRows?: number;
}

export const scoringPoolDefaults = Object.freeze({ threads: 1, maxQueueRows: 65_536 });

export type ScoringPool = Scorer;

/**
 * A pool of threads that score micro-batches. A thread is never stopped while a run is in flight:
 * `close` waits for every batch first.
 */
export function createScoringPool(options: ScoringPoolOptions): ScoringPool {
  if (options.threads === 0) return createInlineScorer(options);
  return new Pool({ ...scoringPoolDefaults, ...options });
}

class Pool implements ScoringPool {
  readonly #piscina: Piscina;
  readonly #maxRows: number;
  #rows = 0;
  #batches = 0;
  #closed: Promise<void> | null = null;
  /** Micro-batches that wait for room, oldest first. */
  readonly #waiting: { rows: number; start: () => void }[] = [];
  #whenDrained: (() => void) | null = null;

  constructor(options: Required<ScoringPoolOptions>) {
    if (!(options.threads >= 1) || !(options.maxQueueRows >= 1)) {
      throw new RangeError("a scoring pool needs at least one thread and one row");
    }
    this.#maxRows = options.maxQueueRows;
    const here = fileURLToPath(import.meta.url);
    this.#piscina = new Piscina({
      // Compiled files end in .js, sources run directly in .ts.
      filename: fileURLToPath(new URL(`./scoring-worker${extname(here)}`, import.meta.url)),
      name: "scoreBatch",
      workerData: { directory: options.artifacts.directory },
      minThreads: options.threads,
      maxThreads: options.threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
    });
  }

  get rowsInFlight(): number {
    return this.#rows;
  }

  async score(work: ScoreWork): Promise<ScoreResult> {
    if (this.#closed !== null) throw new MillraceError("SCORING_CLOSED");
    const started = performance.now();
    const rows = work.versionOf.length;
    const result = { probabilities: new Float64Array(rows), latencyMs: new Float64Array(rows) };
    const runs = microBatches(work).map(async (batch) => {
      const answers = await this.#run(work, batch);
      placeAnswers(result, batch, answers, performance.now() - started);
    });
    // Every batch ends before the caller hears of a failure: nothing runs on unseen.
    const ended = await Promise.allSettled(runs);
    for (const each of ended) if (each.status === "rejected") throw each.reason;
    return result;
  }

  close(): Promise<void> {
    this.#closed ??= this.#drain().then(() => this.#piscina.destroy());
    return this.#closed;
  }

  async #run(work: ScoreWork, batch: MicroBatch): Promise<Float32Array> {
    const rows = batch.rows.length;
    this.#batches++;
    await this.#room(rows);
    try {
      const vectors = batchVectors(work, batch);
      const task: ScoringTask = { artifact: batch.artifact, rows: vectors };
      const transferList = [vectors.buffer];
      const answer: Float32Array | ScoringFailure = await this.#piscina.run(task, { transferList });
      if (answer instanceof Float32Array) return answer;
      throw new MillraceError(answer.code, answer.context, { cause: answer.cause });
    } finally {
      this.#leave(rows);
    }
  }

  async #room(rows: number): Promise<void> {
    if (this.#waiting.length > 0 || !this.#fits(rows)) {
      await new Promise<void>((start) => this.#waiting.push({ rows, start }));
    } else {
      this.#rows += rows;
    }
  }

  /** A batch larger than the limit runs alone. */
  #fits(rows: number): boolean {
    return this.#rows === 0 || this.#rows + rows <= this.#maxRows;
  }

  #leave(rows: number): void {
    this.#rows -= rows;
    this.#batches--;
    for (let next = this.#waiting[0]; next && this.#fits(next.rows); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#rows += next.rows;
      next.start();
    }
    if (this.#batches === 0) this.#whenDrained?.();
  }

  async #drain(): Promise<void> {
    if (this.#batches > 0) {
      await new Promise<void>((resolve) => {
        this.#whenDrained = resolve;
      });
    }
  }
}
