import type { ModelInForce } from "../../processors/scoring/model-register.ts";
import { rowStates } from "../../processors/scoring/score-work.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { microBatchRows, type ScoreResult, type Scorer } from "../services/score/scorer.ts";
import { batchWork } from "./batch-work.ts";
import type { Caller } from "./caller.ts";
import { type Lane, type Queued, type QueueLane, RowQueue } from "./row-queue.ts";

/**
 * What happens where too much waits. reject: the request that comes is refused. drop: the oldest
 * that waits in the last lane is refused in its place, unless its lane comes before that of the
 * request. degrade: the request that comes is answered at once, without a model.
 */
export const busyPolicies = ["reject", "drop", "degrade"] as const;
export type BusyPolicy = (typeof busyPolicies)[number];

/** Bytes of the vectors that wait, of all micro-batchers that share the limit. */
export class WaitingBytes {
  readonly most: number;
  used = 0;

  constructor(most: number) {
    this.most = most;
  }
}

export interface BatcherOptions {
  /** Batches that are with the scorer at a time; what comes meanwhile waits and gathers. */
  readonly batchesAtOnce: number;
  /** Rows of a batch at most, but for a request of more. @default 256 */
  readonly rows?: number;
  /** Bytes of the vectors of a batch at most, but for a request of more. @default 1 MiB */
  readonly bytes?: number;
  /** How long a row waits for others while the scorer has time for it, ms. @default 0 */
  readonly delayMs?: number;
  /** Rows that may wait. @default 4096 */
  readonly waitingRows?: number;
  /** Bytes that may wait, here and where else it is given to. @default 64 MiB, of its own */
  readonly waitingBytes?: WaitingBytes;
  /** What happens beyond them. @default "reject" */
  readonly whenBusy?: BusyPolicy;
  /** Told the rows of each batch that goes out. @default nobody */
  readonly batched?: (rows: number) => void;
  /** Told the rows of each request that there was no room for. @default nobody */
  readonly shed?: (policy: BusyPolicy, rows: number) => void;
  /** Told the rows of each request that nobody waited for any more. @default nobody */
  readonly abandoned?: (rows: number) => void;
}

export const batcherDefaults = Object.freeze({
  rows: microBatchRows,
  bytes: 2 ** 20,
  delayMs: 0,
  waitingRows: 4_096,
  whenBusy: "reject" as BusyPolicy,
  batched: () => {},
  shed: () => {},
  abandoned: () => {},
});

/** Bytes of vectors that may wait where nobody says otherwise. */
export const waitingBytesMost = 64 * 2 ** 20;

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
  /** Whether no model was asked, since too much waited: nothing of it is answered. */
  readonly isDegraded: boolean;
}

/** The rows of one request. */
interface Waiting extends Queued {
  readonly model: ModelInForce;
  readonly vectors: Float64Array;
  readonly resolve: (rows: BatchedRows) => void;
  readonly reject: (error: unknown) => void;
  timer: NodeJS.Timeout | undefined;
  /** Takes back that it hears of its caller. */
  stay: (() => void) | undefined;
  /** What its batch is given up by once nobody waits for any of it; null: it has not begun. */
  batch: Batch | null;
}

interface Batch {
  readonly over: AbortController;
  /** Requests that somebody waits for. */
  awaited: number;
}

const longestTimerMs = 2 ** 31 - 1;

/** A batch leaves so long before it is due, ms, half its delay at most: timers come late. */
const timerSlackMs = 1;

/**
 * Gathers the rows of requests for a scorer, by model. A batch leaves when the scorer has room for
 * it and it is due: full, its oldest request has waited for `delayMs`, or a deadline leaves no more
 * than the time that batches need; without a delay that is at once, and batches grow while the
 * scorer is busy. A row whose deadline passes is late; what of it has not begun never does.
 *
 * All rows have one width; each goes to the model that it names, and a batch is of one model: what
 * fails a model fails no other's rows.
 */
export class MicroBatcher {
  readonly #scorer: Pick<Scorer, "score">;
  readonly #width: number;
  readonly #options: Required<BatcherOptions>;
  readonly #queue: RowQueue<Waiting>;
  readonly #underWay = new Set<Promise<void>>();
  readonly #slackMs: number;
  #timer: NodeJS.Timeout | undefined;
  /** When it is due. */
  #timerAt = 0;
  /** Whether a flush comes at the end of this turn. */
  #isFlushing = false;
  #closed = false;

  constructor(scorer: Pick<Scorer, "score">, width: number, options: BatcherOptions) {
    this.#scorer = scorer;
    this.#width = width;
    const waitingBytes = options.waitingBytes ?? new WaitingBytes(waitingBytesMost);
    this.#options = { ...batcherDefaults, ...options, waitingBytes };
    this.#queue = new RowQueue(this.#options);
    this.#slackMs = Math.min(timerSlackMs, this.#options.delayMs / 2);
  }

  /** Rows of a lane that wait for their batch. */
  waitingRows(lane: Lane): number {
    return this.#queue.rowsOf(lane);
  }

  /**
   * Scores the rows of a request, row-major. What is spare goes while nothing else is with the
   * scorer or waits, one batch at a time, and makes room for whatever comes: it is refused then.
   *
   * @param deadlineAt - by `performance.now()`; Infinity: however long it takes.
   * @param caller - who waits for it: what nobody waits for is not scored.
   * @throws {MillraceError} GATEWAY_BUSY where too much waits; SCORING_CLOSED after `close`;
   * REQUEST_ABANDONED once the caller has left; what the scorer throws.
   */
  score(
    model: ModelInForce,
    vectors: Float64Array,
    deadlineAt: number,
    lane: QueueLane = "normal",
    caller: Caller | null = null,
  ): Promise<BatchedRows> {
    const rows = vectors.length / this.#width;
    const bytes = vectors.byteLength;
    if (this.#closed) return Promise.reject(new MillraceError("SCORING_CLOSED"));
    if (caller?.isGone === true) return Promise.reject(this.#abandoned(rows));
    const lacking = this.#makeRoom(rows, bytes, lane);
    if (lacking !== null) return this.#turnAway(rows, lane, lacking);
    return new Promise((resolve, reject) => {
      const since = performance.now();
      const waiting: Waiting = {
        key: lane === "spare" ? `spare ${model.artifact}` : model.artifact,
        rows,
        bytes,
        lane,
        since,
        deadlineAt,
        model,
        vectors,
        resolve,
        reject,
        timer: undefined,
        stay: undefined,
        batch: null,
      };
      waiting.stay = caller?.onLeave(() => this.#gone(waiting));
      const leftMs = deadlineAt - since;
      if (leftMs <= longestTimerMs) {
        waiting.timer = setTimeout(() => this.#late(waiting), Math.max(0, leftMs));
      }
      this.#queue.add(waiting);
      this.#options.waitingBytes.used += bytes;
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

  /** Drops what may be dropped for a request; what there is too much of all the same, or null. */
  #makeRoom(rows: number, bytes: number, lane: QueueLane): string | null {
    if (lane === "spare") return this.#lacking(rows, bytes);
    while (this.#queue.rowsOf("spare") > 0 && this.#lacking(rows, bytes) !== null) {
      const spare = this.#queue.lastOf("spare") as Waiting;
      this.#leave(spare);
      settled(spare);
      spare.reject(new MillraceError("GATEWAY_BUSY", { what: "requests came" }));
    }
    for (let lacking = this.#lacking(rows, bytes); ; lacking = this.#lacking(rows, bytes)) {
      if (lacking === null || this.#options.whenBusy !== "drop") return lacking;
      const dropped = this.#queue.lastOf(lane);
      if (dropped === null) return lacking;
      this.#leave(dropped);
      settled(dropped);
      this.#options.shed("drop", dropped.rows);
      const what = `${lacking}, and newer ones came`;
      dropped.reject(new MillraceError("GATEWAY_BUSY", { what }));
    }
  }

  /** A request beyond a limit is taken where nothing waits. */
  #lacking(rows: number, bytes: number): string | null {
    const { waitingRows, waitingBytes } = this.#options;
    if (this.#queue.size > 0 && this.#queue.rows + rows > waitingRows) {
      return `${waitingRows} rows wait for their model`;
    }
    if (waitingBytes.used > 0 && waitingBytes.used + bytes > waitingBytes.most) {
      return `vectors of ${waitingBytes.most / 2 ** 20} MiB wait for their models`;
    }
    return null;
  }

  #turnAway(rows: number, lane: QueueLane, what: string): Promise<BatchedRows> {
    const { whenBusy, shed } = this.#options;
    if (lane === "spare") return Promise.reject(new MillraceError("GATEWAY_BUSY", { what }));
    if (whenBusy !== "degrade") {
      shed("reject", rows);
      return Promise.reject(new MillraceError("GATEWAY_BUSY", { what }));
    }
    shed("degrade", rows);
    return Promise.resolve({ ...noAnswers(rows, "late"), isDegraded: true });
  }

  /** Has the next batch leave when it may; what is asked in the same turn goes together. */
  #schedule(): void {
    if (this.#isFlushing || this.#queue.size === 0) return;
    if (this.#underWay.size >= this.#options.batchesAtOnce) return;
    const due = this.#queue.dueAt(this.#underWay.size === 0);
    if (due === Number.POSITIVE_INFINITY) return;
    const dueAt = this.#closed ? Number.NEGATIVE_INFINITY : due - this.#slackMs;
    // It looks again then.
    if (this.#timer !== undefined && this.#timerAt <= dueAt) return;
    clearTimeout(this.#timer);
    const inMs = dueAt - performance.now();
    if (inMs > 0) {
      this.#timerAt = dueAt;
      this.#timer = setTimeout(() => this.#flush(), inMs);
      return;
    }
    this.#timer = undefined;
    this.#isFlushing = true;
    queueMicrotask(() => this.#flush());
  }

  /** Sends as many batches as there is room for and are due. */
  #flush(): void {
    this.#isFlushing = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#underWay.size < this.#options.batchesAtOnce) {
      const isFree = this.#underWay.size === 0;
      const taken = this.#queue.take(performance.now() + this.#slackMs, this.#closed, isFree);
      if (taken.length === 0) break;
      const run: Promise<void> = this.#run(taken).finally(() => {
        this.#underWay.delete(run);
        this.#schedule();
      });
      this.#underWay.add(run);
    }
    this.#schedule();
  }

  async #run(taken: readonly Waiting[]): Promise<void> {
    const started = performance.now();
    const over = new AbortController();
    for (const { bytes } of taken) this.#options.waitingBytes.used -= bytes;
    const batch: Batch = { over, awaited: taken.length };
    for (const each of taken) each.batch = batch;
    const work = batchWork(taken, this.#width);
    this.#options.batched(work.versionOf.length);
    try {
      this.#answer(taken, await this.#scorer.score(work, over.signal));
      this.#queue.took((taken[0] as Waiting).key, performance.now() - started);
    } catch (error) {
      for (const each of taken) {
        settled(each);
        if (error === over.signal.reason) this.#late(each);
        else each.reject(error);
      }
    }
  }

  /**
   * To each request its own rows: they stand in the order in which they were taken. A busy thread
   * hears of answers before it hears of timers: what came after the deadline is late.
   */
  #answer(taken: readonly Waiting[], { probabilities, states, failure }: ScoreResult): void {
    const now = performance.now();
    let from = 0;
    for (const each of taken) {
      const to = from + each.rows;
      settled(each);
      // One that has been told already stays as it is.
      if (now > each.deadlineAt) this.#late(each);
      else {
        each.resolve({
          probabilities: probabilities.subarray(from, to),
          states: states.subarray(from, to),
          latencyMs: now - each.since,
          failure,
          isDegraded: false,
        });
      }
      from = to;
    }
  }

  #late(each: Waiting): void {
    each.stay?.();
    this.#leave(each);
    each.resolve({
      ...noAnswers(each.rows, "late"),
      latencyMs: performance.now() - each.since,
    });
  }

  /** Its caller has left. Of a batch that has begun the others go on. */
  #gone(each: Waiting): void {
    settled(each);
    this.#leave(each);
    each.reject(this.#abandoned(each.rows));
  }

  #abandoned(rows: number): MillraceError {
    this.#options.abandoned(rows);
    return new MillraceError("REQUEST_ABANDONED");
  }

  /** Nobody waits for it any more; of a batch the last one ends it. */
  #leave(each: Waiting): void {
    if (each.batch !== null && --each.batch.awaited === 0) each.batch.over.abort();
    else if (this.#queue.remove(each)) this.#options.waitingBytes.used -= each.bytes;
  }
}

/** It hears no more of its deadline and its caller. */
function settled(each: Waiting): void {
  if (each.timer !== undefined) clearTimeout(each.timer);
  each.stay?.();
}

/** What stands for answers that there are none of. */
export function noAnswers(rows: number, state: "late" | "failed"): BatchedRows {
  return {
    probabilities: new Float64Array(rows).fill(Number.NaN),
    states: new Uint8Array(rows).fill(rowStates[state]),
    ...{ latencyMs: 0, failure: null, isDegraded: false },
  };
}

/** Some of the rows, in memory of their own unless they are all. */
export function picked(values: Float64Array, rows: readonly number[], width: number): Float64Array {
  if (rows.length * width === values.length) return values;
  const vectors = new Float64Array(rows.length * width);
  for (const [at, row] of rows.entries()) {
    vectors.set(values.subarray(row * width, (row + 1) * width), at * width);
  }
  return vectors;
}
