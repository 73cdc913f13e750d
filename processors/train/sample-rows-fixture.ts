import { seededRandom } from "./seeded-random-fixture.ts";
import type { TrainingRows } from "./training-rows.ts";

/** Names of the features of {@link sampleRows}. */
export const sampleFeatures = ["delay", "delayTwin", "traffic", "hour", "constant"] as const;

/**
 * Made-up training rows for tests: a strong signal that is sometimes missing together with its
 * twin, a weak one, an hour that matters, and a constant. `learnable: false` draws labels apart
 * from them.
 */
export function sampleRows(n: number, seed: string, learnable = true): TrainingRows {
  const random = seededRandom(seed);
  const uniform = () => random(1_000_003) / 1_000_003;
  const width = sampleFeatures.length;
  const values = new Float64Array(n * width);
  const labels = new Uint8Array(n);
  const knownAt = new Float64Array(n);
  for (let row = 0; row < n; row++) {
    const signal = uniform() + uniform() + uniform() - 1.5;
    const traffic = Math.floor(uniform() * 40);
    const hour = Math.floor(uniform() * 24);
    const missing = uniform() < 0.2;
    const odds = 3 * signal + 0.02 * traffic + (hour > 16 ? 1 : 0) - 1.5;
    labels[row] = uniform() < 1 / (1 + Math.exp(learnable ? -odds : 1)) ? 1 : 0;
    const twin = signal * 40 + uniform();
    values.set([missing ? NaN : signal * 40, missing ? NaN : twin, traffic, hour, 7], row * width);
    knownAt[row] = 1_000_000_000 + row * 1_000;
  }
  return { n, features: sampleFeatures, values, labels, knownAt };
}
