import type { Broker } from "../../broker/broker.ts";
import { whyUnbounded } from "../../processors/scoring/native/bounded-graph.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { namedIn } from "../../schemas/model-routes.ts";
import { nearest } from "../../schemas/nearest.ts";
import { type Plan, type PredictionFacts, topologyOf } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import type { OnlineStore } from "../../sinks/store.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { Explanations } from "../services/explain/explanations.ts";
import { runLimitMs } from "../services/score/run-limit.ts";
import type { Scorer } from "../services/score/scorer.ts";
import { createScoringPool } from "../services/score/scoring-pool.ts";
import type { Warn } from "../services/service.ts";
import type { Artifacts } from "../services/train/artifacts.ts";
import { Champions } from "./champions.ts";
import { inTime, late } from "./in-time.ts";
import {
  type BatcherOptions,
  MicroBatcher,
  WaitingBytes,
  waitingBytesMost,
} from "./micro-batcher.ts";
import { PredictionLog } from "./prediction-log.ts";
import { RawModel } from "./raw-models.ts";
import { ReadyModels } from "./ready-models.ts";
import { type RehearsedStep, rehearsedStep } from "./rehearsed-steps.ts";
import type { Lane } from "./row-queue.ts";
import type { Shadowed } from "./shadows.ts";
import { StepPredictor } from "./step-predictor.ts";
import type { Predicted, StepWorld } from "./step-world.ts";

/** Batches that a thread has at a time: one that it runs, and one at hand. */
const batchesPerThread = 2;

/** A batch that takes its model no longer is scored where requests are answered, ms. */
const shortMs = 0.25;

/** A start is not held up for longer by what its models take to load, ms. */
const warmingMostMs = 10_000;

/** The part of a stack that predictions are made of. */
export interface PredictStack {
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly online: Pick<OnlineStore, "read">;
  readonly artifacts: Artifacts;
}

export interface PredictionsOptions extends Omit<BatcherOptions, "batchesAtOnce" | "waitingBytes"> {
  /** Bytes of vectors that may wait for their models, of all steps together. @default 64 MiB */
  readonly waitingBytes?: number;
  /** UTC ms; null: of a replay, whose views say how far it is. @default the clock */
  readonly now?: () => number | null;
  /** Whether predictions are logged, as those of a live run are. @default false */
  readonly logs?: boolean;
  /** Threads that score, of each topology. @default 1 */
  readonly threads?: number;
  /** Told what somebody should look at. @default nobody */
  readonly warn?: Warn;
  /** A run of a model that may take any time is ended after so long, ms. @default `runLimitMs` */
  readonly runMs?: number;
  /** Told of each run of a model that was ended, as it took longer than it may. @default nobody */
  readonly hung?: () => void;
  /** Told of each prediction that is answered. @default nobody */
  readonly predicted?: Predicted;
  /** Told what became of what shadows were to score. @default nobody */
  readonly shadowed?: Shadowed;
}

/** A step, whether it can be asked or not. */
export interface NamedStep {
  readonly topology: string;
  readonly facts: PredictionFacts;
  /** STEP_UNSERVED, with the reason; null: it can be asked. */
  readonly unserved: MillraceError | null;
}

/** What scores for the steps of one topology. */
interface TopologyScoring {
  readonly pool: Scorer;
  readonly models: ReadyModels;
  readonly champions: Champions;
  readonly explanations: Explanations;
}

/** Predictions of all scoring steps of an application; what they need is opened once asked for. */
export class Predictions {
  readonly #plans: readonly Plan[];
  readonly #stack: PredictStack;
  readonly #options: PredictionsOptions;
  readonly #steps = new Map<string, { step: StepPredictor; batcher: MicroBatcher }>();
  /** Steps by what they were asked for by, as long as the plans stay as they are. */
  #found: { readonly plans: readonly Plan[]; readonly steps: Map<string, StepPredictor> } = {
    ...{ plans: [], steps: new Map() },
  };
  readonly #topologies = new Map<string, TopologyScoring>();
  readonly #raw = new Map<string, { model: RawModel; batcher: MicroBatcher }>();
  readonly #log: PredictionLog | null;
  readonly #waitingBytes: WaitingBytes;
  #warming: Promise<void> | null = null;
  #isWarming = false;
  /** Whether all models were ready once it had warmed. */
  #isReady = false;

  /** @param plans - as they run now: the list may change. */
  constructor(plans: readonly Plan[], stack: PredictStack, options: PredictionsOptions = {}) {
    this.#plans = plans;
    this.#stack = stack;
    this.#options = options;
    this.#waitingBytes = new WaitingBytes(options.waitingBytes ?? waitingBytesMost);
    this.#log = options.logs === true ? new PredictionLog(stack) : null;
  }

  /**
   * The step of a name.
   *
   * @param topology - whose step; null: of the only topology that has it.
   * @throws {MillraceError} STEP_UNKNOWN, STEP_AMBIGUOUS, STEP_UNSERVED.
   */
  step(name: string, topology: string | null): StepPredictor {
    const { plans, steps } = this.#found;
    if (plans.length !== this.#plans.length || plans.some((plan, at) => plan !== this.#plans[at])) {
      this.#found = { plans: [...this.#plans], steps: new Map() };
      return this.step(name, topology);
    }
    const asked = `${topology ?? ""}/${name}`;
    const known = steps.get(asked);
    if (known !== undefined) return known;
    const step = this.#find(name, topology);
    steps.set(asked, step);
    return step;
  }

  /** All steps; of one that cannot be asked the error that it is answered with. */
  steps(): readonly NamedStep[] {
    return this.#plans.flatMap((plan) => {
      const topology = topologyOf(plan);
      return predictionsOf(plan).map((facts): NamedStep => {
        try {
          this.step(facts.name, topology);
          return { topology, facts, unserved: null };
        } catch (error) {
          if (!(error instanceof MillraceError && error.code === "STEP_UNSERVED")) throw error;
          return { topology, facts, unserved: error };
        }
      });
    });
  }

  #find(name: string, topology: string | null): StepPredictor {
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

  /** Names of the models; `topology.model` where several topologies have one of its name. */
  modelNames(): string[] {
    return this.#models().map(({ name }) => name);
  }

  /**
   * A model as such, without the step that scores by it.
   *
   * @throws {MillraceError} MODEL_UNKNOWN.
   */
  model(name: string): RawModel {
    const all = this.#models();
    const found = all.find((each) => each.name === name);
    if (found === undefined) {
      const known = all.map((each) => each.name);
      const model = name.slice(0, 100);
      const told = { model, near: nearest(model, known), known: known.join(", ") || "none" };
      throw new MillraceError("MODEL_UNKNOWN", told);
    }
    const { plan, facts } = found;
    const key = `${found.name}/${plan.fingerprint}`;
    const open = this.#raw.get(key);
    if (open !== undefined) return open.model;
    const { now = Date.now } = this.#options;
    const { models, champions } = this.#scoringOf(plan);
    const { features } = facts;
    // There is no fallback that could answer.
    const { whenBusy } = this.#options;
    const batcher = this.#batcher(plan, features.length, {
      ...(whenBusy !== undefined && { whenBusy: whenBusy === "degrade" ? "reject" : whenBusy }),
    });
    const named = { name, model: facts.model.name, step: facts.name, features };
    const model = new RawModel(named, { champions, models, batcher, now });
    this.#raw.set(key, { model, batcher });
    return model;
  }

  #models(): { name: string; plan: Plan; facts: PredictionFacts }[] {
    const all = this.#plans.flatMap((plan) => {
      const byModel = new Map(predictionsOf(plan).map((facts) => [facts.model.name, facts]));
      return [...byModel].map(([model, facts]) => ({ model, plan, facts }));
    });
    return all.map(({ model, plan, facts }) => {
      const isAlone = all.filter((each) => each.model === model).length === 1;
      return { name: isAlone ? model : `${topologyOf(plan)}.${model}`, plan, facts };
    });
  }

  /** Rows of a lane that wait for their model, of predictions and of models as such. */
  waitingRows(lane: Lane): number {
    return this.#batchers().reduce((sum, batcher) => sum + batcher.waitingRows(lane), 0);
  }

  /** Bytes of the vectors that wait. */
  get waitingBytes(): number {
    return this.#waitingBytes.used;
  }

  /** What it still loads before predictions come in their usual time; empty: nothing. */
  get waitingFor(): readonly string[] {
    return this.#isWarming ? ["its models"] : [];
  }

  /**
   * Makes ready the models by which the steps score now, so that no prediction waits for it. What
   * fails is told by the first prediction that needs it.
   */
  warm(): Promise<void> {
    this.#isWarming = true;
    this.#warming ??= inTime(this.#warmAll(), performance.now() + warmingMostMs)
      .then(
        (made) => {
          this.#isReady = made !== late;
        },
        (error: unknown) => this.#options.warn?.("no model is ready", { reason: String(error) }),
      )
      .finally(() => {
        this.#isWarming = false;
      });
    return this.#warming;
  }

  /**
   * Its steps as they can be rehearsed (`rehearsedStep`) once it has warmed; none where that took
   * too long or failed, and none of models whose runs may take any time.
   *
   * @throws what the broker and the stores of models throw.
   */
  async rehearsed(): Promise<readonly RehearsedStep[]> {
    await this.#warming;
    const steps: RehearsedStep[] = [];
    for (const plan of this.#isReady ? this.#plans : []) {
      for (const { name, features } of predictionsOf(plan)) {
        // Beside the rehearsal: what is away holds nothing up, and is told by the first prediction.
        this.#log?.open(plan, { name }).catch(() => {});
        if (!(await this.#isBounded(plan, name))) continue;
        const nobody = { batched: () => {}, shed: () => {}, abandoned: () => {} };
        const waitingBytes = new WaitingBytes(waitingBytesMost);
        const batcher = this.#batcher(plan, features.length, { ...nobody, waitingBytes });
        try {
          steps.push(await rehearsedStep(name, this.#worldOf(plan, batcher)));
        } catch (error) {
          if (!(error instanceof MillraceError && error.code === "STEP_UNSERVED")) throw error;
        }
      }
    }
    return steps;
  }

  async #warmAll(): Promise<void> {
    for (const plan of this.#plans) {
      const { models } = this.#scoringOf(plan);
      for (const { name, features } of predictionsOf(plan)) {
        for (const artifact of await this.#asked(plan, name)) {
          await models.ready(artifact, features.length);
        }
      }
    }
  }

  /** Artifacts of the models that a step asks now. */
  async #asked(plan: Plan, step: string): Promise<readonly string[]> {
    const { now = Date.now } = this.#options;
    const register = await this.#scoringOf(plan).champions.of(step);
    const at = now() ?? Number.POSITIVE_INFINITY;
    const routed = namedIn(register.routesAt(at)).map(({ sha256 }) => sha256);
    return [register.at(at).artifact, ...routed].filter((artifact) => artifact !== "");
  }

  async #isBounded(plan: Plan, step: string): Promise<boolean> {
    const artifacts = this.#stack.artifacts.of(topologyOf(plan));
    for (const artifact of await this.#asked(plan, step)) {
      if (whyUnbounded(await artifacts.get(artifact)) !== null) return false;
    }
    return true;
  }

  /** Lets what is under way end, then stops the threads. */
  async close(): Promise<void> {
    await this.#warming;
    await Promise.all([...this.#steps.values()].map(({ step }) => step.shadows.close()));
    await Promise.all(this.#batchers().map((batcher) => batcher.close()));
    for (const { champions, pool } of this.#topologies.values()) {
      await champions.close();
      await pool.close();
    }
    await this.#log?.close();
  }

  #open(plan: Plan, name: string): StepPredictor {
    // Plans that are read anew are the same as long as their fingerprints are.
    const key = `${topologyOf(plan)}/${name}/${plan.fingerprint}`;
    const open = this.#steps.get(key);
    if (open !== undefined) return open.step;
    const width = predictionsOf(plan).find((each) => each.name === name)?.features.length ?? 0;
    const batcher = this.#batcher(plan, width);
    const step = new StepPredictor(name, this.#worldOf(plan, batcher));
    this.#steps.set(key, { step, batcher });
    return step;
  }

  #worldOf(plan: Plan, batcher: MicroBatcher): StepWorld {
    const { now = Date.now, warn = () => {}, predicted = () => {} } = this.#options;
    const { shadowed = () => {} } = this.#options;
    const log = this.#log;
    const { online } = this.#stack;
    const { models, champions, explanations } = this.#scoringOf(plan);
    return {
      ...{ plan, online, champions, models, batcher, explanations, log, now, warn, predicted },
      shadowed,
    };
  }

  #batchers(): MicroBatcher[] {
    return [...this.#steps.values(), ...this.#raw.values()].map(({ batcher }) => batcher);
  }

  #batcher(plan: Plan, width: number, own: Partial<BatcherOptions> = {}): MicroBatcher {
    const { threads = 1, waitingBytes: _, ...options } = this.#options;
    return new MicroBatcher(this.#scoringOf(plan).pool, width, {
      ...options,
      ...{ batchesAtOnce: threads * batchesPerThread, waitingBytes: this.#waitingBytes },
      ...own,
    });
  }

  #scoringOf(plan: Plan): TopologyScoring {
    const { threads = 1 } = this.#options;
    const topology = topologyOf(plan);
    const found = this.#topologies.get(topology);
    if (found !== undefined) return found;
    const { broker, registry } = this.#stack;
    const artifacts = this.#stack.artifacts.of(topology);
    const { warn = () => {}, hung = () => {}, runMs = runLimitMs(plan, true) } = this.#options;
    const pool = createScoringPool({
      ...{ artifacts, threads, shortMs, warms: true, givesUp: true, runMs },
      hung: (sha256, reason) => {
        hung();
        warn("a run of a model was ended", { sha256, reason });
      },
    });
    const models = new ReadyModels(pool, artifacts, Math.max(1, threads));
    const champions = new Champions(plan, {
      broker,
      registry,
      warm: (sha256, width) => models.ready(sha256, width),
    });
    const explanations = new Explanations(artifacts);
    const opened = { pool, models, champions, explanations };
    this.#topologies.set(topology, opened);
    return opened;
  }
}
