import type { Broker } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { nearest } from "../../schemas/nearest.ts";
import { type Plan, topologyOf } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import type { OnlineStore } from "../../sinks/store.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import type { Scorer } from "../services/score/scorer.ts";
import { createScoringPool } from "../services/score/scoring-pool.ts";
import type { Warn } from "../services/service.ts";
import type { Artifacts } from "../services/train/artifacts.ts";
import { Champions } from "./champions.ts";
import { type BatcherOptions, MicroBatcher } from "./micro-batcher.ts";
import { ReadyModels } from "./ready-models.ts";
import { StepPredictor } from "./step-predictor.ts";

/** Batches that a thread has at a time: one that it runs, and one at hand. */
const batchesPerThread = 2;

/** The part of a stack that predictions are made of. */
export interface PredictStack {
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly online: Pick<OnlineStore, "read">;
  readonly artifacts: Artifacts;
}

export interface PredictionsOptions extends Omit<BatcherOptions, "batchesAtOnce"> {
  /** UTC ms; null: of a replay, whose views say how far it is. @default the clock */
  readonly now?: () => number | null;
  /** Threads that score, of each topology. @default 1 */
  readonly threads?: number;
  /** Told what somebody should look at. @default nobody */
  readonly warn?: Warn;
}

/** What scores for the steps of one topology. */
interface TopologyScoring {
  readonly pool: Scorer;
  readonly models: ReadyModels;
  readonly champions: Champions;
}

/** Predictions of all scoring steps of an application; what they need is opened once asked for. */
export class Predictions {
  readonly #plans: readonly Plan[];
  readonly #stack: PredictStack;
  readonly #options: PredictionsOptions;
  readonly #steps = new Map<string, { step: StepPredictor; batcher: MicroBatcher }>();
  readonly #topologies = new Map<string, TopologyScoring>();

  /** @param plans - as they run now: the list may change. */
  constructor(plans: readonly Plan[], stack: PredictStack, options: PredictionsOptions = {}) {
    this.#plans = plans;
    this.#stack = stack;
    this.#options = options;
  }

  /**
   * The step of a name.
   *
   * @param topology - whose step; null: of the only topology that has it.
   * @throws {MillraceError} STEP_UNKNOWN, STEP_AMBIGUOUS, STEP_UNSERVED.
   */
  step(name: string, topology: string | null): StepPredictor {
    const all = this.#plans.flatMap((plan) =>
      predictionsOf(plan).map((scoring) => ({ plan, name: scoring.name })),
    );
    const own = all.filter(({ plan }) => topology === null || topologyOf(plan) === topology);
    const [found, ...others] = own.filter((each) => each.name === name);
    if (found === undefined) {
      const known = own.map((each) => each.name);
      const step = name.slice(0, 100);
      const told = { step, near: nearest(step, known), known: known.join(", ") || "none" };
      throw new MillraceError("STEP_UNKNOWN", told);
    }
    if (others.length > 0) {
      const topologies = [found, ...others].map(({ plan }) => topologyOf(plan)).join(", ");
      throw new MillraceError("STEP_AMBIGUOUS", { step: name, topologies });
    }
    return this.#open(found.plan, name);
  }

  /** Rows that wait for their batch. */
  get waitingRows(): number {
    return [...this.#steps.values()].reduce((sum, { batcher }) => sum + batcher.waitingRows, 0);
  }

  /** Lets what is under way end, then stops the threads. */
  async close(): Promise<void> {
    await Promise.all([...this.#steps.values()].map(({ batcher }) => batcher.close()));
    for (const { champions, pool } of this.#topologies.values()) {
      await champions.close();
      await pool.close();
    }
  }

  #open(plan: Plan, name: string): StepPredictor {
    // Plans that are read anew are the same as long as their fingerprints are.
    const key = `${topologyOf(plan)}/${name}/${plan.fingerprint}`;
    const open = this.#steps.get(key);
    if (open !== undefined) return open.step;
    const { threads = 1, now = Date.now, warn = () => {}, ...batching } = this.#options;
    const { pool, models, champions } = this.#scoringOf(plan, threads);
    const width = predictionsOf(plan).find((each) => each.name === name)?.features.length ?? 0;
    const batchesAtOnce = threads * batchesPerThread;
    const batcher = new MicroBatcher(pool, width, { ...batching, batchesAtOnce });
    const { online } = this.#stack;
    const step = new StepPredictor(name, { plan, online, champions, models, batcher, now, warn });
    this.#steps.set(key, { step, batcher });
    return step;
  }

  #scoringOf(plan: Plan, threads: number): TopologyScoring {
    const topology = topologyOf(plan);
    const found = this.#topologies.get(topology);
    if (found !== undefined) return found;
    const { broker, registry } = this.#stack;
    const artifacts = this.#stack.artifacts.of(topology);
    const pool = createScoringPool({ artifacts, threads });
    const models = new ReadyModels(pool, artifacts, Math.max(1, threads));
    const champions = new Champions(plan, {
      broker,
      registry,
      warm: (sha256, width) => models.ready(sha256, width),
    });
    const opened = { pool, models, champions };
    this.#topologies.set(topology, opened);
    return opened;
  }
}
