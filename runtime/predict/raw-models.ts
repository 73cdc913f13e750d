import type { ModelInForce } from "../../processors/scoring/model-register.ts";
import { rowStates } from "../../processors/scoring/score-work.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Caller } from "./caller.ts";
import type { Champions } from "./champions.ts";
import { inTime, late } from "./in-time.ts";
import type { MicroBatcher } from "./micro-batcher.ts";
import type { ReadyModels } from "./ready-models.ts";
import type { Lane } from "./row-queue.ts";

/** What a model of a topology is asked by. */
export interface RawModelWorld {
  readonly champions: Champions;
  readonly models: ReadyModels;
  readonly batcher: MicroBatcher;
  /** UTC ms; null: of a replay. */
  readonly now: () => number | null;
}

/** What was asked of a version since the gateway began. */
export interface ModelStatistics {
  readonly version: string;
  /** Rows that were answered. */
  readonly rows: number;
  readonly requests: number;
  readonly failed: number;
  /** All together, ms. */
  readonly requestMs: number;
  readonly failedMs: number;
  /** UTC ms; null: never. */
  readonly last: number | null;
}

/** Probabilities of rows, and the version that gave them. */
export interface RawAnswer {
  readonly version: string;
  readonly probabilities: Float64Array;
}

/** How a version is asked. */
interface Asking {
  readonly deadlineAt: number;
  readonly deadlineMs: number | null;
  readonly lane: Lane;
  readonly caller: Caller | null;
}

/** A model as such: vectors in, probabilities out; any of its versions, without a fallback. */
export class RawModel {
  /** What it goes by. */
  readonly name: string;
  /** Names of its vector, in their order. */
  readonly features: readonly string[];
  readonly #model: string;
  readonly #step: string;
  readonly #world: RawModelWorld;
  readonly #statistics = new Map<
    string,
    { -readonly [K in keyof ModelStatistics]: ModelStatistics[K] }
  >();

  /** @param step - one that scores by it. */
  constructor(
    {
      name,
      model,
      step,
      features,
    }: Pick<RawModel, "name" | "features"> & {
      readonly model: string;
      readonly step: string;
    },
    world: RawModelWorld,
  ) {
    this.name = name;
    this.features = features;
    this.#model = model;
    this.#step = step;
    this.#world = world;
  }

  /** Names of its versions, in the order in which they came. */
  async versions(): Promise<string[]> {
    const all = await this.#world.champions.versions(this.#model);
    return all.map(({ version }) => version);
  }

  /** The version in force; null: there is none. */
  async champion(): Promise<string | null> {
    const { version } = await this.#inForce();
    return version === "" ? null : version;
  }

  statistics(): readonly ModelStatistics[] {
    return [...this.#statistics.values()];
  }

  /**
   * @param version - null: the one in force.
   * @param vectors - row-major, NaN where missing.
   * @param deadlineMs - null: however long it takes.
   * @param lane - who goes first while rows wait for the model.
   * @param caller - who waits for it. @default nobody who may leave
   * @throws {MillraceError} MODEL_VERSION_UNKNOWN, MODEL_FAILED, PREDICTION_LATE, GATEWAY_BUSY,
   * REQUEST_ABANDONED.
   */
  async infer(
    version: string | null,
    vectors: Float64Array,
    deadlineMs: number | null,
    lane: Lane,
    caller: Caller | null = null,
  ): Promise<RawAnswer> {
    const began = performance.now();
    const deadlineAt = deadlineMs === null ? Number.POSITIVE_INFINITY : began + deadlineMs;
    const asked = await this.#version(version);
    const counted = this.#counted(asked.version);
    counted.requests++;
    counted.last = Date.now();
    try {
      const probabilities = await this.#score(asked, vectors, {
        ...{ deadlineAt, deadlineMs, lane, caller },
      });
      counted.rows += probabilities.length;
      counted.requestMs += performance.now() - began;
      return { version: asked.version, probabilities };
    } catch (error) {
      counted.failed++;
      counted.failedMs += performance.now() - began;
      throw error;
    }
  }

  async #score(
    model: ModelInForce,
    vectors: Float64Array,
    { deadlineAt, deadlineMs, lane, caller }: Asking,
  ): Promise<Float64Array> {
    const { models, batcher } = this.#world;
    const isLate = () => {
      const told = { step: this.name, deadlineMs: deadlineMs ?? 0 };
      return new MillraceError("PREDICTION_LATE", told);
    };
    const ready = models.ready(model.artifact, this.features.length);
    if ((await inTime(ready, deadlineAt)) === late) throw isLate();
    const answer = await batcher.score(model, vectors, deadlineAt, lane, caller);
    const { states, probabilities, failure } = answer;
    if (states.includes(rowStates.late)) throw isLate();
    if (!states.includes(rowStates.failed)) return probabilities;
    const { version } = model;
    const reason = failure ?? "it failed";
    throw new MillraceError("MODEL_FAILED", { model: this.name, version, reason });
  }

  async #version(version: string | null): Promise<ModelInForce> {
    if (version === null) {
      const found = await this.#inForce();
      if (found.version !== "") return found;
    }
    const all = await this.#world.champions.versions(this.#model);
    const found = all.find((each) => each.version === version);
    if (found !== undefined)
      return { version: found.version, artifact: found.sha256, before: null };
    const told = {
      model: this.name,
      known: all.map((each) => each.version).join(", ") || "none yet",
    };
    throw version === null
      ? new MillraceError("MODEL_NO_CHAMPION", told)
      : new MillraceError("MODEL_VERSION_UNKNOWN", { ...told, version: version.slice(0, 100) });
  }

  async #inForce(): Promise<ModelInForce> {
    const register = await this.#world.champions.of(this.#step);
    return register.at(this.#world.now() ?? Number.POSITIVE_INFINITY);
  }

  #counted(version: string) {
    const found = this.#statistics.get(version) ?? {
      ...{ version, rows: 0, requests: 0, failed: 0, requestMs: 0, failedMs: 0, last: null },
    };
    this.#statistics.set(version, found);
    return found;
  }
}
