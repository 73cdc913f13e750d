import { whyUnbounded } from "../../../processors/scoring/native/bounded-graph.ts";
import { readArtifact } from "../train/artifacts.ts";
import type { BatchAnswer } from "./scorer.ts";
import { type ScoringFailure, type ScoringTask, TaskScorer } from "./scoring-task.ts";
import { ShortRuns } from "./short-runs.ts";

/** A batch that the calling thread works at for so long was no short one, ms. */
const longMs = 20;
/** After one that took so long, as many are asked whether they had a processor meanwhile. */
const weighedBatches = 16;
/** Such batches of a model until it stays with the threads. */
const longBatchesMax = 3;
/** A larger file is read too slowly on the thread that asks. */
const bytesMost = 2 * 2 ** 20;
/** Models that are known to be here at a time. */
const maxHere = 16;

/**
 * Scores on the calling thread what threads have shown to take little (`ShortRuns`). A model is
 * loaded beside the answers of the threads, and asked here once it has answered a batch. A run
 * cannot be ended: a model whose rows may take any time (`whyUnbounded`) is not loaded here, and
 * one that is slow here again and again goes back to the threads for good.
 */
export class ShortScorer {
  readonly #directory: string;
  readonly #runs: ShortRuns;
  readonly #longMs: number;
  #scorer: TaskScorer | null = null;
  /** By artifact whether it has answered here; the oldest first. */
  readonly #isHere = new Map<string, boolean>();
  /** By artifact how many of its batches were long; the oldest first. */
  readonly #longBatches = new Map<string, number>();
  /** By artifact how many of its next batches are to be weighed; the oldest first. */
  readonly #weighed = new Map<string, number>();
  #bringing: Promise<unknown> = Promise.resolve();

  /**
   * @param directory - of the artifacts.
   * @param mostMs - of a batch that is scored here; 0: none is.
   * @param longestMs - a batch that the thread works at for longer was no short one. @default 20
   */
  constructor(directory: string, mostMs: number, longestMs: number = longMs) {
    this.#longMs = longestMs;
    this.#directory = directory;
    this.#runs = new ShortRuns(mostMs);
  }

  /** A batch took a thread so long. */
  took(artifact: string, rows: number, { failure, tookMs }: BatchAnswer): void {
    if (tookMs !== undefined && failure === null) this.#runs.took(artifact, rows, tookMs);
  }

  /** The answer to a batch; null: a thread is to be asked. */
  ask(
    artifact: string,
    rows: number,
    vectors: () => Float64Array<ArrayBuffer>,
  ): Promise<BatchAnswer | ScoringFailure> | null {
    if (!this.#runs.isShort(artifact, rows)) return null;
    const isHere = this.#isHere.get(artifact);
    if (isHere === undefined) {
      const coming = this.#bring({ artifact, rows, vectors: vectors() });
      this.#bringing = Promise.all([this.#bringing, coming]);
    }
    return isHere === true ? this.#run({ artifact, rows, vectors: vectors() }) : null;
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#bringing;
    await this.#scorer?.close();
  }

  /** What a model cannot answer here, or may take any time for, stays with the threads. */
  async #bring(task: ScoringTask): Promise<void> {
    const { artifact } = task;
    keep(this.#isHere, artifact, false);
    if (!(await this.#mayCome(artifact))) return;
    const answer = await this.#asked(task);
    if ("probabilities" in answer && answer.failure === null) this.#isHere.set(artifact, true);
  }

  async #mayCome(artifact: string): Promise<boolean> {
    if ((this.#longBatches.get(artifact) ?? 0) >= longBatchesMax) return false;
    try {
      const bytes = await readArtifact(this.#directory, artifact);
      return bytes.length <= bytesMost && whyUnbounded(bytes) === null;
    } catch {
      // The threads say what is wrong with it.
      return false;
    }
  }

  async #run(task: ScoringTask): Promise<BatchAnswer | ScoringFailure> {
    const { artifact, rows, vectors } = task;
    const left = this.#weighed.get(artifact) ?? 0;
    if (left > 0) this.#weighed.set(artifact, left - 1);
    const answer = await this.#asked({ artifact, rows, vectors, weighs: left > 0 });
    if (!("probabilities" in answer) || (answer.tookMs ?? 0) <= this.#longMs) return answer;
    // It may have waited for a processor.
    if (answer.busyMs === undefined) keep(this.#weighed, artifact, weighedBatches);
    if ((answer.busyMs ?? 0) <= this.#longMs) return answer;
    keep(this.#longBatches, artifact, (this.#longBatches.get(artifact) ?? 0) + 1);
    this.#runs.forget(artifact);
    this.#isHere.delete(artifact);
    return answer;
  }

  #asked(task: ScoringTask): Promise<BatchAnswer | ScoringFailure> {
    this.#scorer ??= new TaskScorer(this.#directory);
    return this.#scorer.run(task);
  }
}

/** With room for others: the oldest are forgotten. */
function keep<Value>(known: Map<string, Value>, artifact: string, value: Value): void {
  known.delete(artifact);
  known.set(artifact, value);
  for (const [oldest] of known) {
    if (known.size <= maxHere) break;
    known.delete(oldest);
  }
}
