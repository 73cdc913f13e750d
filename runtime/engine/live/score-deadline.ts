import type { ScoreWork } from "../../scoring/scorer.ts";
import { encodeScoreResult } from "../../scoring/scorer.ts";

/** What a timer can wait, in ms; beyond it Node takes 1 ms. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Live mode: bounds model calls. Rows whose scores do not come in time get none (NaN), and the
 * fallback answers. The first call of an artifact has no limit: loading it is not scoring.
 */
export class ScoreDeadline {
  readonly #warm = new Set<string>();

  /** The result of a call if it comes within `deadlineMs`; the call itself goes on unseen. */
  async bound(work: ScoreWork, result: Promise<Buffer>, deadlineMs: number): Promise<Buffer> {
    if (work.artifacts.some((artifact) => !this.#warm.has(artifact))) {
      const first = await result;
      for (const artifact of work.artifacts) this.#warm.add(artifact);
      return first;
    }
    if (deadlineMs > longestTimerMs) return await result;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Buffer>((resolve) => {
      timer = setTimeout(() => resolve(noScores(work, deadlineMs)), deadlineMs);
    });
    try {
      return await Promise.race([result, late]);
    } finally {
      clearTimeout(timer);
      result.catch(() => {});
    }
  }
}

function noScores(work: ScoreWork, deadlineMs: number): Buffer {
  const rows = work.versionOf.length;
  return encodeScoreResult({
    probabilities: new Float64Array(rows).fill(Number.NaN),
    latencyMs: new Float64Array(rows).fill(deadlineMs),
  });
}
