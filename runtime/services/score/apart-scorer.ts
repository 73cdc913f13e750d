import { MillraceError } from "../../../schemas/errors.ts";
import { failedBatch } from "./answer-batch.ts";
import type { BatchAnswer } from "./scorer.ts";
import { ProcessEnded, type ProcessLimits, ScoringProcess } from "./scoring-process.ts";
import type { ScoringFailure, ScoringTask } from "./scoring-task.ts";

export interface ApartOptions {
  /** Of the artifacts. */
  readonly directory: string;
  /** Of a model at most. */
  readonly processes: number;
  readonly limits: ProcessLimits;
  /**
   * Whether a model that {@link endsMost} processes ended at within an hour is asked no more; else
   * every row is asked for, so that its answer depends on nothing but the row and the model.
   */
  readonly givesUp: boolean;
  /** Told of each run that was ended, as it took longer than it may. */
  readonly hung: (artifact: string, reason: string) => void;
}

/** Processes that may end at a row by themselves, and within an hour at a model, until it fails. */
export const endsMost = 3;
const hourMs = 3_600_000;
/** Models that have idle processes at a time. */
const modelsMost = 4;
/** Models that are known to take any time, and to be given up. */
const knownMost = 1_000;

type Answer = BatchAnswer | ScoringFailure;

/** A batch, whose vectors are made when its turn comes. */
type Asked = Pick<ScoringTask, "artifact" | "rows"> & {
  readonly vectors: () => Float64Array<ArrayBuffer>;
};

/**
 * Scores by models whose runs may take any time, each in processes of its own: one that hangs is
 * ended with its process and holds up no other model, no drain and no end of this process. Of a
 * batch at which a process ended each row is asked for alone, so that what a row gets depends on
 * the row and the model.
 */
export class ApartScorer {
  readonly #options: ApartOptions;
  /** Artifacts of models that are to be asked here, the oldest first. */
  readonly #known = new Set<string>();
  /** By artifact, the least recently asked first. */
  readonly #models = new Map<string, ModelProcesses>();
  /** By artifact why it is asked no more; the oldest first. */
  readonly #givenUp = new Map<string, string>();
  /** By artifact when its processes ended within the last hour. */
  readonly #ends = new Map<string, readonly number[]>();
  readonly #closing = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: ApartOptions) {
    this.#options = options;
  }

  /** Whether a model is to be asked here; else nobody has found out yet. */
  knows(artifact: string): boolean {
    return this.#known.has(artifact);
  }

  learn(artifact: string): void {
    this.#known.add(artifact);
    forgetOldest(this.#known);
  }

  /**
   * The answer to a batch. Once `signal` is aborted nothing of it begins, and a run that is under
   * way goes on unheard, within its limit.
   *
   * @throws {MillraceError} SCORING_CLOSED.
   * @throws the reason of `signal`.
   */
  async ask(
    artifact: string,
    rows: number,
    vectors: () => Float64Array<ArrayBuffer>,
    signal: AbortSignal,
  ): Promise<Answer> {
    signal.throwIfAborted();
    return await heardUntil(signal, this.#answer({ artifact, rows, vectors }, signal));
  }

  /** Ends all processes; what is asked for by then is refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const [artifact, model] of this.#models) this.#drop(artifact, model);
    await Promise.all(this.#closing);
  }

  async #answer(asked: Asked, signal: AbortSignal): Promise<Answer> {
    if (asked.rows === 1) return await this.#alone(asked, signal);
    const whole = await this.#run(asked, signal);
    if (!(whole instanceof ProcessEnded)) return whole;
    const { artifact, rows } = asked;
    const all = asked.vectors();
    const width = all.length / rows;
    const probabilities = new Float64Array(rows);
    let failure: string | null = null;
    for (let row = 0; row < rows; row++) {
      signal.throwIfAborted();
      const vectors = () => all.slice(row * width, (row + 1) * width);
      const answer = await this.#alone({ artifact, rows: 1, vectors }, signal);
      if (!("probabilities" in answer)) return answer;
      probabilities[row] = answer.probabilities[0] as number;
      failure ??= answer.failure;
    }
    return { probabilities, failure };
  }

  /** A row that ends its process is asked for again; one that hangs would do so again. */
  async #alone(asked: Asked, signal: AbortSignal): Promise<Answer> {
    for (let ends = 1; ; ends++) {
      const answer = await this.#run(asked, signal);
      if (!(answer instanceof ProcessEnded)) return answer;
      if (answer.hung || ends >= endsMost) return failedBatch(1, answer.message);
    }
  }

  async #run(asked: Asked, signal: AbortSignal): Promise<Answer | ProcessEnded> {
    const { artifact, rows, vectors } = asked;
    const why = this.#givenUp.get(artifact);
    if (why !== undefined) return failedBatch(rows, why);
    if (this.#isClosed) throw new MillraceError("SCORING_CLOSED");
    try {
      return await this.#model(artifact).run(
        () => ({ artifact, rows, vectors: vectors() }),
        signal,
      );
    } catch (error) {
      if (this.#isClosed) throw new MillraceError("SCORING_CLOSED");
      if (!(error instanceof ProcessEnded)) throw error;
      this.#hasEnded(artifact, error);
      return error;
    } finally {
      this.#letGo();
    }
  }

  #hasEnded(artifact: string, { hung, message }: ProcessEnded): void {
    if (hung) this.#options.hung(artifact, message);
    if (!this.#options.givesUp) return;
    const now = performance.now();
    const ends = [...(this.#ends.get(artifact) ?? []), now].filter((at) => at > now - hourMs);
    this.#ends.set(artifact, ends);
    if (ends.length < endsMost) return;
    this.#ends.delete(artifact);
    this.#givenUp.set(artifact, message);
    forgetOldest(this.#givenUp);
  }

  #model(artifact: string): ModelProcesses {
    const { directory, processes, limits } = this.#options;
    const found =
      this.#models.get(artifact) ??
      new ModelProcesses(processes, () => new ScoringProcess(directory, artifact, limits));
    this.#models.delete(artifact);
    this.#models.set(artifact, found);
    return found;
  }

  /** Of models that have not been asked for long. */
  #letGo(): void {
    for (const [artifact, model] of this.#models) {
      if (this.#models.size <= modelsMost) break;
      if (!model.isIdle) continue;
      this.#ends.delete(artifact);
      this.#drop(artifact, model);
    }
  }

  #drop(artifact: string, model: ModelProcesses): void {
    this.#models.delete(artifact);
    const closing: Promise<void> = model.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

/** Processes of one model, as many as are busy at a time up to a limit. */
class ModelProcesses {
  readonly #most: number;
  readonly #start: () => ScoringProcess;
  readonly #idle: ScoringProcess[] = [];
  readonly #busy = new Set<ScoringProcess>();
  /** Tasks that wait for a process, oldest first. */
  readonly #waiting = new Set<() => void>();
  #isClosed = false;

  constructor(most: number, start: () => ScoringProcess) {
    this.#most = most;
    this.#start = start;
  }

  get isIdle(): boolean {
    return this.#busy.size === 0 && this.#waiting.size === 0;
  }

  /**
   * Runs a task as soon as a process has time for it.
   *
   * @throws {ProcessEnded}
   * @throws the reason of `signal` where that is aborted before.
   */
  async run(taskOf: () => ScoringTask, signal: AbortSignal): Promise<Answer> {
    while (this.#busy.size >= this.#most) await this.#turn(signal);
    if (this.#isClosed) throw new ProcessEnded("it is closed", false);
    const process = this.#free();
    this.#busy.add(process);
    try {
      return await process.run(taskOf());
    } finally {
      this.#busy.delete(process);
      this.#idle.push(process);
      const [next] = this.#waiting;
      next?.();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const closed = [...this.#idle, ...this.#busy].map((process) => process.close());
    for (const start of this.#waiting) start();
    await Promise.all(closed);
  }

  /** One that is there still: it may have been ended meanwhile. */
  #free(): ScoringProcess {
    for (let found = this.#idle.pop(); found !== undefined; found = this.#idle.pop()) {
      if (found.isThere) return found;
    }
    return this.#start();
  }

  async #turn(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(start);
        signal.removeEventListener("abort", drop);
      };
      const start = (): void => {
        leave();
        resolve();
      };
      const drop = (): void => {
        leave();
        reject(signal.reason);
      };
      this.#waiting.add(start);
      signal.addEventListener("abort", drop, { once: true });
    });
  }
}

function forgetOldest(known: Set<string> | Map<string, string>): void {
  for (const oldest of known.keys()) {
    if (known.size <= knownMost) break;
    known.delete(oldest);
  }
}

/** What work gives, or the reason of the signal once that is aborted: it goes on unheard. */
async function heardUntil<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  let abort: (() => void) | undefined;
  const over = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  work.catch(() => {});
  try {
    return await Promise.race([work, over]);
  } finally {
    if (abort !== undefined) signal.removeEventListener("abort", abort);
  }
}
