import { setImmediate as nextTurn } from "node:timers/promises";
import type { ModelInForce } from "../../processors/scoring/model-register.ts";
import { ScoreBatch } from "../../processors/scoring/score-batch.ts";
import { rowStates } from "../../processors/scoring/score-work.ts";
import { seededRandom } from "../../processors/train/seeded-random-fixture.ts";
import {
  type BatchedRows,
  type BusyPolicy,
  busyPolicies,
  MicroBatcher,
} from "../../runtime/predict/micro-batcher.ts";
import { lanes } from "../../runtime/predict/row-queue.ts";
import type { Scorer } from "../../runtime/services/score/scorer.ts";
import { createScoringPool } from "../../runtime/services/score/scoring-pool.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { answerTo, type IdModel, ids, vectorOf, width } from "./id-models.ts";

/** What became of requests; every one of them is counted once. */
export interface Tally {
  asked: number;
  /** With its own answer, of its own model. */
  right: number;
  /** With the answer of another, or of another model. */
  misrouted: number;
  late: number;
  cancelled: number;
  /** Asked of a pool that was closing. */
  refused: number;
  /** There was no room: refused, dropped or degraded. */
  busy: number;
  /** The model that is not there, which is asked on purpose. */
  missing: number;
  /** Anything else. */
  broken: number;
}

export function newTally(): Tally {
  const counts = { asked: 0, right: 0, misrouted: 0, late: 0, cancelled: 0 };
  return { ...counts, refused: 0, busy: 0, missing: 0, broken: 0 };
}

const missing: IdModel = { sha256: "0".repeat(64), column: 0 };
const news = { putAside: [], asksNews: false, heard: 0, knownAt: 0 };

/** Pools that are asked, resized and closed under load; each request checks its own answer. */
export class CheckedLoad {
  readonly tally = newTally();
  readonly #folder: string;
  readonly #models: readonly IdModel[];
  readonly #random: (below: number) => number;
  readonly #underWay = new Set<Promise<void>>();
  readonly #closing: Promise<unknown>[] = [];
  #pool: Scorer;
  #batcher: MicroBatcher;
  readonly #waitingRows: number;
  #nextId = 1;
  /** Pools; the next one has the next policy for where too much waits. */
  #opened = 0;

  constructor(
    folder: string,
    models: readonly IdModel[],
    seed: string,
    waitingRows: number = 1_000_000,
  ) {
    this.#waitingRows = waitingRows;
    this.#folder = folder;
    this.#models = models;
    this.#random = seededRandom(seed);
    [this.#pool, this.#batcher] = this.#open(1);
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** Another pool takes over; the one before ends what it has, and goes. */
  resize(threads: number): void {
    const [pool, batcher] = [this.#pool, this.#batcher];
    [this.#pool, this.#batcher] = this.#open(threads);
    this.#closing.push(batcher.close().then(() => pool.close()));
  }

  /** Closes the pool in the middle of its work, and waits for all. */
  async end(): Promise<void> {
    const [pool, batcher] = [this.#pool, this.#batcher];
    // Both at once: whoever asks the pool itself is answered, too.
    this.#closing.push(batcher.close().then(() => pool.close()));
    await Promise.all(this.#closing);
    await Promise.all(this.#underWay);
  }

  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** Many small requests at the door of the gateway, by any of the models. */
  async askDoor(requests: number): Promise<void> {
    for (let each = 0; each < requests; each++) {
      const rows = 1 + this.#random(3);
      const model = this.#random(200) === 0 ? missing : this.#model();
      const deadline = this.#random(20) === 0 ? this.#random(3) : Number.POSITIVE_INFINITY;
      const { vectors, first } = this.#vectors(rows);
      const asked = this.#batcher.score(
        inForce(model),
        vectors,
        performance.now() + deadline,
        lanes[this.#random(lanes.length)],
      );
      this.#watch(asked.then((answer) => this.#check(answer, first, model)));
      if (each % 512 === 511) await nextTurn();
    }
  }

  /** A batch as a task of the stream sends it, over all models; some are given up. */
  askStream(rows: number, cancels: boolean): void {
    const { vectors, first } = this.#vectors(rows);
    const batch = new ScoreBatch(width);
    for (let row = 0; row < rows; row++) {
      const at = batch.vectors.add();
      batch.vectors.values.set(vectors.subarray(row * width, (row + 1) * width), at);
      batch.add(inForce(this.#models[row % this.#models.length] as IdModel), 0, row);
    }
    const over = new AbortController();
    if (cancels) setTimeout(() => over.abort(new Cancelled()), this.#random(4));
    const asked = this.#pool.score(batch.work(news).payload, over.signal);
    this.#watch(
      asked.then(({ probabilities, states }) => {
        const models = Array.from(
          probabilities,
          (_, row) => this.#models[row % this.#models.length],
        );
        for (const [row, model] of models.entries()) {
          const own = [
            probabilities.subarray(row, row + 1),
            states.subarray(row, row + 1),
          ] as const;
          this.#count(own[0], own[1], first + row, model as IdModel);
        }
        this.tally.right++;
      }),
    );
  }

  #open(threads: number): [Scorer, MicroBatcher] {
    const pool = createScoringPool({ artifacts: { directory: this.#folder }, threads });
    const whenBusy = busyPolicies[this.#opened++ % busyPolicies.length] as BusyPolicy;
    const options = { batchesAtOnce: threads * 2, waitingRows: this.#waitingRows, whenBusy };
    return [pool, new MicroBatcher(pool, width, options)];
  }

  #model(): IdModel {
    return this.#models[this.#random(this.#models.length)] as IdModel;
  }

  #vectors(rows: number): { readonly vectors: Float64Array; readonly first: number } {
    const first = this.#nextId;
    this.#nextId = (this.#nextId + rows) % (ids - 10_000);
    const vectors = new Float64Array(rows * width);
    for (let row = 0; row < rows; row++) vectorOf(first + row, vectors, row * width);
    return { vectors, first };
  }

  #check({ probabilities, states, isDegraded }: BatchedRows, first: number, model: IdModel): void {
    if (isDegraded) this.tally.busy++;
    else if (states.includes(rowStates.late)) this.tally.late++;
    else if (this.#count(probabilities, states, first, model)) this.tally.right++;
  }

  /** Whether each row has its own answer; what has not is counted. */
  #count(probabilities: Float64Array, states: Uint8Array, first: number, model: IdModel): boolean {
    for (const [row, answer] of probabilities.entries()) {
      if (states[row] !== rowStates.answered) this.tally.broken++;
      else if (answer !== answerTo(first + row, model)) this.tally.misrouted++;
      else continue;
      return false;
    }
    return true;
  }

  #watch(asked: Promise<void>): void {
    this.tally.asked++;
    const watched: Promise<void> = asked
      .catch((error: unknown) => {
        const code = error instanceof MillraceError ? error.code : null;
        if (error instanceof Cancelled) this.tally.cancelled++;
        else if (code === "SCORING_CLOSED") this.tally.refused++;
        else if (code === "ARTIFACT_MISSING") this.tally.missing++;
        else if (code === "GATEWAY_BUSY") this.tally.busy++;
        else this.tally.broken++;
      })
      .finally(() => this.#underWay.delete(watched));
    this.#underWay.add(watched);
  }
}

class Cancelled extends Error {}

function inForce({ sha256 }: IdModel): ModelInForce {
  return { version: sha256.slice(0, 8), artifact: sha256, before: null };
}
