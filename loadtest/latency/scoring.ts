import type { ScoreWork } from "../../processors/scoring/score-work.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { createScoringPool } from "../../runtime/services/score/scoring-pool.ts";
import type { Plan } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import { type Timing, time } from "./timing.ts";

const batchSizes = [1, 64] as const;

/** Vectors that are scored, taken from the predictions of the run. */
const vectorsTaken = 1_024;

/** Times the scoring pool with the run's first model on the features of its own predictions. */
export async function timeScoring(
  plan: Plan,
  stack: Stack,
  directory: string,
  samples: number,
): Promise<Timing[]> {
  const [scoring] = predictionsOf(plan);
  const offline = stack.offline.of(plan.name);
  const [model] = await offline.query<{ version: string; sha256: string }>(
    "SELECT version, sha256 FROM models WHERE promoted ORDER BY effective_from LIMIT 1",
  );
  if (scoring === undefined || model === undefined) throw new Error("the run has no model");
  const columns = scoring.features.map((name) => `\`${name}\``).join(", ");
  const rows = await offline.query<Record<string, number | null>>(
    `SELECT ${columns} FROM predictions ORDER BY known_at DESC LIMIT ${vectorsTaken}`,
  );
  const vectors = Float64Array.from(
    rows.flatMap((row) => scoring.features.map((name) => row[name] ?? Number.NaN)),
  );
  const pool = createScoringPool({ artifacts: { directory }, threads: 1 });
  const width = scoring.features.length;
  const work = (size: number, call: number): ScoreWork => {
    const from = (call * size) % (rows.length - size + 1);
    return {
      ...{ versions: [model.version], artifacts: [model.sha256], features: width },
      versionOf: new Uint16Array(size),
      rows: vectors.slice(from * width, (from + size) * width),
      sourcePartitions: new Uint16Array(size),
      sourceOffsets: new Float64Array(size),
      putAside: [],
      asksNews: false,
      heard: 0,
      knownAt: 0,
    };
  };
  const timings: Timing[] = [];
  for (const size of batchSizes) {
    const name = `scoring of ${size === 1 ? "one vector" : `${size} vectors at once`}, pool`;
    timings.push(await time(name, samples, (call) => pool.score(work(size, call))));
  }
  await pool.close();
  return timings;
}
