import { type ErrorCode, type ErrorContext, MillraceError } from "../../../schemas/errors.ts";
import { answerBatch } from "./answer-batch.ts";
import { ModelCache, UnboundedModel } from "./model-cache.ts";
import type { BatchAnswer } from "./scorer.ts";

/** One micro-batch of one model. */
export interface ScoringTask {
  readonly artifact: string;
  readonly rows: number;
  /** Row-major. */
  readonly vectors: Float64Array<ArrayBuffer>;
  /** Whether to ask what it had a processor for, which takes some µs. @default false */
  readonly weighs?: boolean;
}

/**
 * Why a batch could not be asked for: an error of the table, whose code a thrown error loses
 * between threads, or any other (code null). What is not answered thus comes of a thread that
 * ended.
 */
export interface ScoringFailure {
  readonly code: ErrorCode | null;
  readonly context: ErrorContext;
  readonly cause: unknown;
  /** Whether its runs may take any time: it is asked where they can be ended. @default false */
  readonly isUnbounded?: boolean;
}

/** Does the tasks of one thread by onnxruntime, one after the other. */
export class TaskScorer {
  readonly #cache: ModelCache;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param directory - of the artifacts.
   * @param takesAll - whether also models are asked whose runs may take any time. @default false
   */
  constructor(directory: string, takesAll = false) {
    this.#cache = new ModelCache(directory, takesAll);
  }

  /** Loads a model, for which its first task would wait; what is wrong with it its tasks say. */
  async load(artifact: string): Promise<void> {
    await this.#cache.get(artifact).catch(() => {});
  }

  run(task: ScoringTask): Promise<BatchAnswer | ScoringFailure> {
    const answer = this.#last.then(() => this.#answer(task));
    this.#last = answer;
    return answer;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#cache.clear();
  }

  async #answer(task: ScoringTask): Promise<BatchAnswer | ScoringFailure> {
    const { artifact, vectors, rows, weighs = false } = task;
    let began = performance.now();
    let used = weighs ? process.cpuUsage() : null;
    // onnxruntime runs once the thread comes to what it has to do next: what it did before is none
    // of the model's.
    const mark = setImmediate(() => {
      began = performance.now();
      if (weighs) used = process.cpuUsage();
    });
    try {
      const load = () => this.#cache.get(artifact);
      const { probabilities, failure } = await answerBatch(load, vectors, rows);
      const tookMs = performance.now() - began;
      if (used === null) return { probabilities, failure, tookMs };
      const { user, system } = process.cpuUsage(used);
      const busyMs = Math.min(tookMs, (user + system) / 1_000);
      return { probabilities, failure, tookMs, busyMs };
    } catch (error) {
      if (!(error instanceof MillraceError)) {
        const isUnbounded = error instanceof UnboundedModel;
        return { code: null, context: {}, cause: error, isUnbounded };
      }
      const { code, context, cause } = error;
      return { code, context, cause };
    } finally {
      clearImmediate(mark);
    }
  }
}
