import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { ModelInForce } from "../../processors/scoring/model-register.ts";
import { rowStates, type ScoreWork } from "../../processors/scoring/score-work.ts";
import { seededRandom } from "../../processors/train/seeded-random-fixture.ts";
import { MicroBatcher } from "../../runtime/predict/micro-batcher.ts";
import { microBatchRows, type Scorer } from "../../runtime/services/score/scorer.ts";
import { createScoringPool } from "../../runtime/services/score/scoring-pool.ts";

/** A model that onnxruntime scores. */
export interface BatchedModel {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Features. */
  readonly width: number;
}

/** Rows a second, and what 99 of 100 answers took at most, ms. */
export interface Rate {
  readonly rate: number;
  readonly p99Ms: number;
}

/** The best of all rounds, of every kind. */
export interface Compared {
  readonly name: string;
  /** Batches of one through the pool, as fast as answers come. */
  readonly alone: Rate;
  /** Micro-batches, at a rate that holds the bound; 0: none did. */
  readonly bounded: Rate;
  /** Micro-batches, as fast as answers come, whatever the bound. */
  readonly fastest: Rate;
  /** Of a full batch through the pool, nothing beside it: the fastest half, ms. */
  readonly batchMs: number;
  /** The delay and twice the time of a batch, ms. */
  readonly boundMs: number;
}

/** Requests of one row that are under way at a time, where they come as fast as answers do. */
const aloneAtOnce = [2, 16, 128] as const;
const batchedAtOnce = 3 * microBatchRows;
/** Rates that are tried, each this share above the last that was kept up. */
const step = 1.1;
const timedRows = 2_048;

/** One side after the other, `rounds` times: others share the machine. */
export async function compareBatches(
  folder: string,
  { name, bytes, width }: BatchedModel,
  how: { readonly rounds: number; readonly seconds: number; readonly delayMs: number },
): Promise<Compared> {
  const artifact = createHash("sha256").update(bytes).digest("hex");
  await writeFile(join(folder, `${artifact}.onnx`), bytes);
  const model: ModelInForce = { version: name, artifact, before: null };
  const random = seededRandom(name);
  const values = Float64Array.from({ length: timedRows * width }, () => random(1_000) / 100 - 5);
  const vectors = Array.from({ length: timedRows }, (_, row) =>
    values.slice(row * width, (row + 1) * width),
  );
  const works = vectors.map((vector) => workOf(model, vector, width));
  const pool = createScoringPool({ artifacts: { directory: folder } });
  const none = { rate: 0, p99Ms: Number.POSITIVE_INFINITY };
  let [alone, bounded, fastest]: [Rate, Rate, Rate] = [none, none, none];
  let batchMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < how.rounds; round++) {
    batchMs = Math.min(batchMs, await timeOfBatch(pool, workOf(model, values, width)));
  }
  const boundMs = how.delayMs + 2 * batchMs;
  for (let round = 0; round < how.rounds; round++) {
    for (const atOnce of aloneAtOnce) {
      const ask = (index: number) => pool.score(works[index % timedRows] as ScoreWork);
      alone = faster(alone, await rateOf(ask, atOnce, how.seconds));
    }
    const batcher = new MicroBatcher(pool, width, {
      ...{ batchesAtOnce: 2, delayMs: how.delayMs, waitingRows: 1_000_000 },
    });
    const ask = (index: number) =>
      batcher.score(model, vectors[index % timedRows] as Float64Array, Number.POSITIVE_INFINITY);
    fastest = faster(fastest, await rateOf(ask, batchedAtOnce, how.seconds));
    // Upwards from what held, else from the middle of what can be, and then downwards.
    let rate = bounded.rate > 0 ? bounded.rate * step : fastest.rate / 2;
    for (let isHeld = true; isHeld || bounded.rate === 0; rate *= isHeld ? step : 1 / step ** 2) {
      if (rate < alone.rate) break;
      const found = await latencyAt(ask, rate, how.seconds);
      isHeld = found.p99Ms <= boundMs;
      if (isHeld) bounded = found;
    }
    await batcher.close();
  }
  await pool.close();
  return { name, alone, bounded, fastest, batchMs, boundMs };
}

/** Asks for a row. */
type Ask = (index: number) => Promise<{ readonly states: Uint8Array }>;

function faster(one: Rate, other: Rate): Rate {
  return other.rate > one.rate ? other : one;
}

/** As fast as answers come. */
async function rateOf(ask: Ask, atOnce: number, seconds: number): Promise<Rate> {
  const took: number[] = [];
  const began = performance.now();
  const until = began + seconds * 1_000;
  const goOn = async (): Promise<void> => {
    for (let now = performance.now(); now < until; ) {
      assertAnswered(await ask(took.length));
      const ended = performance.now();
      took.push(ended - now);
      now = ended;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, goOn));
  const rate = (took.length / (performance.now() - began)) * 1_000;
  return { rate, p99Ms: quantile(Float64Array.from(took), 0.99) };
}

/** At a rate, whether answers come or not, by the ms: times are from when a request was due. */
async function latencyAt(ask: Ask, rate: number, seconds: number): Promise<Rate> {
  const all = Math.floor(rate * seconds);
  const took = new Float64Array(all);
  let [asked, answered] = [0, 0];
  let failure: unknown;
  const began = performance.now();
  while (asked < all) {
    const due = Math.min(all, ((performance.now() - began) * rate) / 1_000);
    for (; asked < due; asked++) {
      const index = asked;
      ask(index)
        .then((answer) => {
          assertAnswered(answer);
          took[index] = performance.now() - began - (index * 1_000) / rate;
          answered++;
        })
        .catch((error: unknown) => {
          failure ??= error;
          answered++;
        });
    }
    // Whoever spins is put behind others of the machine.
    await wait(1);
  }
  while (answered < all) await wait(1);
  if (failure !== undefined) throw failure;
  return { rate: (all / (performance.now() - began)) * 1_000, p99Ms: quantile(took, 0.99) };
}

function assertAnswered({ states }: { readonly states: Uint8Array }): void {
  if (states[0] !== rowStates.answered) throw new Error("a row has no answer");
}

/** Of a full batch, nothing beside it: the fastest half, ms. */
async function timeOfBatch(pool: Scorer, all: ScoreWork): Promise<number> {
  const rows = all.rows.subarray(0, microBatchRows * all.features);
  const work = workOf(
    { version: all.versions[0] as string, artifact: all.artifacts[0] as string, before: null },
    rows,
    all.features,
  );
  const took = new Float64Array(100);
  for (let each = 0; each < took.length; each++) {
    const began = performance.now();
    await pool.score(work);
    took[each] = performance.now() - began;
  }
  return quantile(took, 0.5);
}

function workOf({ version, artifact }: ModelInForce, rows: Float64Array, width: number): ScoreWork {
  const count = rows.length / width;
  return {
    ...{ versions: [version], artifacts: [artifact], versionOf: new Uint16Array(count) },
    ...{ rows, features: width },
    ...{ sourcePartitions: new Uint16Array(count), sourceOffsets: new Float64Array(count) },
    ...{ putAside: [], asksNews: false, heard: 0, knownAt: 0 },
  };
}

function quantile(values: Float64Array, share: number): number {
  values.sort();
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
}
