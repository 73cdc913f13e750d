import type { BatchAnswer } from "./scorer.ts";
import { type ScoringFailure, type ScoringTask, TaskScorer } from "./scoring-task.ts";
import { ShortRuns } from "./short-runs.ts";

/** A batch that takes the calling thread so long was no short one, ms. */
const longMs = 20;
/** Models that are known to be here at a time. */
const maxHere = 16;

/**
 * Scores on the calling thread what threads have shown to take little (`ShortRuns`). A model is
 * loaded beside the answers of the threads, and asked here once it has answered a batch.
 */
export class ShortScorer {
  readonly #directory: string;
  readonly #runs: ShortRuns;
  #scorer: TaskScorer | null = null;
  /** By artifact whether it has answered here; the oldest first. */
  readonly #isHere = new Map<string, boolean>();

  /**
   * @param directory - of the artifacts.
   * @param mostMs - of a batch that is scored here; 0: none is.
   */
  constructor(directory: string, mostMs: number) {
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
    if (isHere === undefined) void this.#bring({ artifact, rows, vectors: vectors() });
    return isHere === true ? this.#run({ artifact, rows, vectors: vectors() }) : null;
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#scorer?.close();
  }

  /** What a model cannot answer here stays with the threads. */
  async #bring(task: ScoringTask): Promise<void> {
    const { artifact } = task;
    this.#isHere.set(artifact, false);
    for (const [oldest] of this.#isHere) {
      if (this.#isHere.size <= maxHere) break;
      this.#isHere.delete(oldest);
    }
    const answer = await this.#asked(task);
    if ("probabilities" in answer && answer.failure === null) this.#isHere.set(artifact, true);
  }

  async #run(task: ScoringTask): Promise<BatchAnswer | ScoringFailure> {
    const started = performance.now();
    const answer = await this.#asked(task);
    if (performance.now() - started > longMs) {
      this.#runs.forget(task.artifact);
      this.#isHere.delete(task.artifact);
    }
    return answer;
  }

  #asked(task: ScoringTask): Promise<BatchAnswer | ScoringFailure> {
    this.#scorer ??= new TaskScorer(this.#directory);
    return this.#scorer.run(task);
  }
}
