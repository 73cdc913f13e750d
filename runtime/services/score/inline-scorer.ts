import { MillraceError } from "../../../schemas/errors.ts";
import { answerBatch } from "./answer-batch.ts";
import { ModelCache } from "./model-cache.ts";
import { batchVectors, emptyResult, microBatches, placeAnswers, type Scorer } from "./scorer.ts";

/** Scores on the calling thread: for tests, tools and small models, not worth a thread. */
export function createInlineScorer(options: {
  readonly artifacts: { readonly directory: string };
}): Scorer {
  const cache = new ModelCache(options.artifacts.directory);
  let closed = false;
  let rowsInFlight = 0;
  /** The cache serves one caller at a time. */
  let last: Promise<unknown> = Promise.resolve();
  return {
    get rowsInFlight() {
      return rowsInFlight;
    },
    async score(work, signal) {
      if (closed) throw new MillraceError("SCORING_CLOSED");
      const started = performance.now();
      const rows = work.versionOf.length;
      const result = emptyResult(rows);
      const run = async (): Promise<void> => {
        for (const batch of microBatches(work)) {
          signal?.throwIfAborted();
          const load = () => cache.get(batch.artifact);
          const answers = await answerBatch(load, batchVectors(work, batch), batch.rows.length);
          placeAnswers(result, batch, answers, performance.now() - started);
        }
      };
      rowsInFlight += rows;
      const done = last.then(run).finally(() => {
        rowsInFlight -= rows;
      });
      last = done.catch(() => {});
      await done;
      return result;
    },
    async close() {
      closed = true;
      await last;
      await cache.clear();
    },
  };
}
