import { rowStates, type ScoreWork } from "../../../processors/scoring/score-work.ts";
import { passes } from "../../retry.ts";
import { encodeScoreResult } from "./scorer.ts";

/** What a timer can wait, in ms; beyond it Node takes 1 ms. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Live mode: bounds model calls, from where rows are handed over until their answers are here. Rows
 * whose scores do not come in time get none (NaN), and the fallback answers; what of the call has
 * not begun is given up, so that later calls do not queue behind it. Calls of an artifact have no
 * limit until its first one has ended: loading it is not scoring.
 */
export class ScoreDeadline {
  readonly #warm = new Set<string>();
  /** Why a call failed whose time was over by then, unless it may pass: a later one asks again. */
  #missed: unknown;

  /**
   * The result of a call if it comes within `deadlineMs`, else NaN for each row.
   *
   * @throws what the call throws in time, or what an earlier one threw after its deadline.
   */
  async bound(
    work: ScoreWork,
    call: (signal: AbortSignal) => Promise<Buffer>,
    deadlineMs: number,
  ): Promise<Buffer> {
    if (this.#missed !== undefined) throw this.#missed;
    const over = new AbortController();
    const started = performance.now();
    const result = call(over.signal);
    if (work.artifacts.some((artifact) => !this.#warm.has(artifact))) {
      const first = await result;
      for (const artifact of work.artifacts) this.#warm.add(artifact);
      return first;
    }
    if (deadlineMs > longestTimerMs) return await result;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Buffer>((resolve) => {
      timer = setTimeout(() => {
        resolve(noScores(work, performance.now() - started));
        over.abort();
        result.catch((error: unknown) => {
          if (error !== over.signal.reason && !passes(error)) this.#missed ??= error;
        });
      }, deadlineMs);
    });
    const inTime = result.then((scores) => {
      // A busy thread hears of the answer before it hears of the timer.
      const elapsedMs = performance.now() - started;
      return elapsedMs > deadlineMs ? noScores(work, elapsedMs) : scores;
    });
    try {
      return await Promise.race([inTime, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function noScores(work: ScoreWork, waitedMs: number): Buffer {
  const rows = work.versionOf.length;
  return encodeScoreResult({
    probabilities: new Float64Array(rows).fill(Number.NaN),
    latencyMs: new Float64Array(rows).fill(waitedMs),
    states: new Uint8Array(rows).fill(rowStates.late),
    failure: null,
  });
}
