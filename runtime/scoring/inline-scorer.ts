import { MillraceError } from "../../schemas/errors.ts";
import { ModelCache } from "./model-cache.ts";
import { batchVectors, microBatches, type Scorer } from "./scorer.ts";

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
    async score(work) {
      if (closed) throw new MillraceError("SCORING_CLOSED");
      const started = performance.now();
      const probabilities = new Float64Array(work.versionOf.length);
      const latencyMs = new Float64Array(work.versionOf.length);
      const run = async (): Promise<void> => {
        for (const batch of microBatches(work)) {
          const model = await cache.get(batch.artifact);
          const answers = await model.score(batchVectors(work, batch));
          const elapsed = performance.now() - started;
          for (const [i, row] of batch.rows.entries()) {
            probabilities[row] = answers[i] as number;
            latencyMs[row] = elapsed;
          }
        }
      };
      rowsInFlight += probabilities.length;
      const done = last.then(run).finally(() => {
        rowsInFlight -= probabilities.length;
      });
      last = done.catch(() => {});
      await done;
      return { probabilities, latencyMs };
    },
    async close() {
      closed = true;
      await last;
      await cache.clear();
    },
  };
}
