import type { ModelInForce } from "../../processors/scoring/model-register.ts";
import { ScoreBatch } from "../../processors/scoring/score-batch.ts";
import { rowStates } from "../../processors/scoring/score-work.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { microBatchRows, type ScoreResult, type Scorer } from "../services/score/scorer.ts";

export interface BatcherOptions {
  /** Batches that are with the scorer at a time; what comes meanwhile waits and gathers. */
  readonly batchesAtOnce: number;
  /** Rows of a batch at most, but for a request of more. @default 256 */
  readonly rows?: number;
  /** How long a row waits for others while the scorer has time for it, ms. @default 0 */
  readonly delayMs?: number;
  /** Rows that may wait; a request beyond them is refused. @default 4096 */
  readonly waitingRows?: number;
}

/** What became of the rows of a request, in their order. */
export interface BatchedRows {
  /** NaN where there is no answer. */
  readonly probabilities: Float64Array;
  /** Of `rowStates`. */
  readonly states: Uint8Array;
  /** From the request to the answer, ms. */
  readonly latencyMs: number;
  /** Why a model failed at some of them, or at rows beside them; null: it did not. */
  readonly failure: string | null;
}

/** The rows of one request. */
interface Waiting {
  readonly id: number;
  readonly model: ModelInForce;
  readonly vectors: Float64Array;
  readonly rows: number;
  /** Of the clock that never goes back, ms. */
  readonly since: number;
  readonly deadlineAt: number;
  readonly resolve: (rows: BatchedRows) => void;
  readonly reject: (error: unknown) => void;
  timer: NodeJS.Timeout | undefined;
}

/** Share of the newest batch in the time that batches are taken to need. */
const newestShare = 0.2;
const longestTimerMs = 2 ** 31 - 1;

/**
 * Gathers the rows of requests for a scorer. A batch leaves when the scorer has room for it and
 * there are as many rows as one takes, the oldest has waited for `delayMs`, or a deadline leaves
 * no more than the time that batches need; without a delay that is at once, and batches grow while
 * the scorer is busy. A row whose deadline passes is late; what of it has not begun never does.
 *
 * All rows have one width; each goes to the model that it names, and a batch is of one model.
 */
export class MicroBatcher {
  readonly #scorer: Pick<Scorer, "score">;
  readonly #width: number;
  readonly #options: Required<BatcherOptions>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #underWay = new Set<Promise<void>>();
  #rows = 0;
  #nextId = 1;
  #batchMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(scorer: Pick<Scorer, "score">, width: number, options: BatcherOptions) {
    this.#scorer = scorer;
    this.#width = width;
    this.#options = { rows: microBatchRows, delayMs: 0, waitingRows: 4_096, ...options };
  }

  /** Rows that wait for their batch. */
  get waitingRows(): number {
    return this.#rows;
  }

  /**
   * Scores the rows of a request, row-major.
   *
   * @param deadlineAt - by `performance.now()`; Infinity: however long it takes.
   * @throws {MillraceError} GATEWAY_BUSY where too many wait; SCORING_CLOSED after `close`; what
   * the scorer throws.
   */
  score(model: ModelInForce, vectors: Float64Array, deadlineAt: number): Promise<BatchedRows> {
    const rows = vectors.length / this.#width;
    const { waitingRows } = this.#options;
    if (this.#closed) return Promise.reject(new MillraceError("SCORING_CLOSED"));
    if (this.#rows > 0 && this.#rows + rows > waitingRows) {
      const what = `${waitingRows} rows wait for their model`;
      return Promise.reject(new MillraceError("GATEWAY_BUSY", { what }));
    }
    return new Promise((resolve, reject) => {
      const since = performance.now();
      const id = this.#nextId++;
      const waiting: Waiting = {
        ...{ id, model, vectors, rows, since, deadlineAt, resolve, reject },
        timer: undefined,
      };
      const leftMs = deadlineAt - since;
      if (leftMs <= longestTimerMs) {
        waiting.timer = setTimeout(() => this.#late(waiting), Math.max(0, leftMs));
      }
      this.#waiting.set(id, waiting);
      this.#rows += rows;
      this.#schedule();
    });
  }

  /** Refuses what comes, and waits for what is there. The scorer stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#flush();
    while (this.#underWay.size > 0) {
      await Promise.all(this.#underWay);
      this.#flush();
    }
  }

  /** Has the next batch leave when it may; what is asked in the same turn goes together. */
  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0 || this.#underWay.size >= this.#options.batchesAtOnce) return;
    const inMs = this.#dueInMs();
    if (inMs <= 0) queueMicrotask(() => this.#flush());
    else this.#timer = setTimeout(() => this.#flush(), inMs);
  }

  #dueInMs(): number {
    const { rows, delayMs } = this.#options;
    if (this.#closed || this.#rows >= rows) return 0;
    let dueAt = Number.POSITIVE_INFINITY;
    for (const { since, deadlineAt } of this.#waiting.values()) {
      dueAt = Math.min(dueAt, since + delayMs, deadlineAt - this.#batchMs);
    }
    return dueAt - performance.now();
  }

  /** Sends as many batches as there is room for and are due. */
  #flush(): void {
    const { batchesAtOnce } = this.#options;
    while (this.#waiting.size > 0 && this.#underWay.size < batchesAtOnce && this.#dueInMs() <= 0) {
      const taken = this.#take();
      const run: Promise<void> = this.#run(taken).finally(() => {
        this.#underWay.delete(run);
        this.#schedule();
      });
      this.#underWay.add(run);
    }
    this.#schedule();
  }

  /**
   * The oldest request and those after it of its model: what fails a model fails no other's rows. A
   * request is never parted.
   */
  #take(): Waiting[] {
    const taken: Waiting[] = [];
    let rows = 0;
    for (const each of this.#waiting.values()) {
      if (each.model.artifact !== (taken[0] ?? each).model.artifact) continue;
      if (rows > 0 && rows + each.rows > this.#options.rows) break;
      taken.push(each);
      rows += each.rows;
    }
    for (const { id } of taken) this.#waiting.delete(id);
    this.#rows -= rows;
    return taken;
  }

  async #run(taken: readonly Waiting[]): Promise<void> {
    const started = performance.now();
    const batch = new ScoreBatch(this.#width);
    for (const { model, vectors, rows } of taken) {
      for (let row = 0; row < rows; row++) {
        const at = batch.vectors.add();
        batch.vectors.values.set(vectors.subarray(row * this.#width, (row + 1) * this.#width), at);
        batch.add(model, 0, 0);
      }
    }
    const { payload } = batch.work({ putAside: [], asksNews: false, heard: 0, knownAt: 0 });
    const over = new AbortController();
    // Not before nobody waits for any of it.
    const latest = Math.max(...taken.map(({ deadlineAt }) => deadlineAt));
    const leftMs = latest - started;
    const timer =
      leftMs <= longestTimerMs ? setTimeout(() => over.abort(), Math.max(0, leftMs)) : undefined;
    try {
      this.#answer(taken, await this.#scorer.score(payload, over.signal));
      this.#batchMs += newestShare * (performance.now() - started - this.#batchMs);
    } catch (error) {
      for (const each of taken) {
        clearTimeout(each.timer);
        if (error === over.signal.reason) this.#late(each);
        else each.reject(error);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * To each request its own rows: they stand in the order in which they were taken. A busy thread
   * hears of answers before it hears of timers: what came after the deadline is late.
   */
  #answer(taken: readonly Waiting[], result: ScoreResult): void {
    const now = performance.now();
    let from = 0;
    for (const each of taken) {
      const { rows, since, deadlineAt, timer, resolve } = each;
      clearTimeout(timer);
      const to = from + rows;
      // One that has been told already stays as it is.
      if (now > deadlineAt) this.#late(each);
      resolve({
        probabilities: result.probabilities.slice(from, to),
        states: result.states.slice(from, to),
        latencyMs: now - since,
        failure: result.failure,
      });
      from = to;
    }
  }

  #late({ id, rows, since, resolve }: Waiting): void {
    if (this.#waiting.delete(id)) this.#rows -= rows;
    resolve({
      probabilities: new Float64Array(rows).fill(Number.NaN),
      states: new Uint8Array(rows).fill(rowStates.late),
      latencyMs: performance.now() - since,
      failure: null,
    });
  }
}
