import { toldExplanation } from "../../processors/scoring/explain/told-explanation.ts";
import { Judge } from "../../processors/scoring/judge.ts";
import type {
  FallbackReason,
  ModelInForce,
  ModelRegister,
} from "../../processors/scoring/model-register.ts";
import { type Routed, Router, toldOf } from "../../processors/scoring/router.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { topologyOf } from "../../schemas/plan.ts";
import type { ScoringSpec } from "../../schemas/steps/scoring.ts";
import { EventMisfit } from "../ingest/event-record.ts";
import { FeatureReads } from "./feature-reads.ts";
import { inTime, late } from "./in-time.ts";
import { noAnswers, picked } from "./micro-batcher.ts";
import { isModelFailure } from "./ready-models.ts";
import type { Asker, LoggedPrediction, ServedPrediction } from "./served-prediction.ts";
import { Shadows } from "./shadows.ts";
import { stepOrigin } from "./step-origin.ts";
import { type AskedRecord, StepRequest } from "./step-request.ts";
import type {
  Asking,
  Group,
  PredictOptions,
  PredictOutcome,
  Scored,
  StepWorld,
  Vectors,
} from "./step-world.ts";

/** Before it is explained. */
type Answered = ServedPrediction & { readonly explanation: null };

/** Behind a live view by no more than its commits and flushes take, a row is still FRESH, ms. */
const liveLagMs = 1_000;

/**
 * Predicts for records of one scoring step: the features from the online store, scored by the
 * champion, as the step's tasks do it in the stream.
 */
export class StepPredictor {
  readonly topology: string;
  readonly scoring: ScoringSpec;
  readonly request: StepRequest;
  readonly #world: StepWorld;
  readonly #reads: FeatureReads;
  readonly #judge: Judge;
  /** Null: the champion answers all. */
  readonly #router: Router | null;
  readonly shadows: Shadows;
  readonly #warned = new Set<string>();
  /** The newest time that a model was asked for: it never falls. */
  #askedFor = Number.NEGATIVE_INFINITY;

  /** @throws {MillraceError} STEP_UNSERVED. */
  constructor(step: string, world: StepWorld) {
    const { plan, online } = world;
    const origin = stepOrigin(plan, step);
    this.topology = topologyOf(plan);
    this.scoring = origin.operator.scoring;
    this.#world = world;
    this.request = new StepRequest(origin);
    this.#reads = new FeatureReads(plan, origin.operator, online);
    this.#judge = new Judge(this.scoring);
    const { routing } = this.scoring;
    this.#router = routing === undefined ? null : new Router(routing);
    this.shadows = new Shadows(this.scoring, world);
  }

  /**
   * Predictions for records, in their order; all of them or none. They are answered once the log
   * has them.
   *
   * @param where - for messages: where a record stands.
   * @throws {MillraceError} RECORD_REFUSED, RECORD_EXCLUDED, PREDICTION_LATE, GATEWAY_BUSY,
   * REQUEST_ABANDONED; what the online store and the broker throw.
   */
  async predict(
    values: readonly unknown[],
    options: PredictOptions,
    where: (index: number) => string,
  ): Promise<ServedPrediction[]> {
    const refuse = (_: number, error: MillraceError): never => {
      throw error;
    };
    return [...(await this.#predict(values, options, where, refuse)).values()];
  }

  /**
   * As `predict`, but a record that cannot be scored, or whose answer is late where that is an
   * error, takes no other's answer with it: it has its own error in its place.
   *
   * @throws {MillraceError} GATEWAY_BUSY, REQUEST_ABANDONED; what the online store and the broker
   * throw: none is answered then.
   */
  async predictEach(
    values: readonly unknown[],
    options: PredictOptions,
    where: (index: number) => string,
  ): Promise<PredictOutcome[]> {
    const outcomes = new Array<PredictOutcome>(values.length);
    const refuse = (index: number, error: MillraceError): void => {
      outcomes[index] = error;
    };
    const made = await this.#predict(values, options, where, refuse);
    for (const [index, each] of made) outcomes[index] = each;
    return outcomes;
  }

  /**
   * Predictions by the place of their record.
   *
   * @param refuse - takes what a record is refused with, or throws it.
   */
  async #predict(
    values: readonly unknown[],
    options: PredictOptions,
    where: (index: number) => string,
    refuse: (index: number, error: MillraceError) => void,
  ): Promise<Map<number, ServedPrediction>> {
    const { asker, deadlineMs, failsLate, explains = false } = options;
    const { lane = "normal", caller = null } = options;
    const deadlineAt =
      deadlineMs === null ? Number.POSITIVE_INFINITY : performance.now() + deadlineMs;
    const now = this.#world.now();
    const predictedAt = now ?? Date.now();
    const places: number[] = [];
    const asked: AskedRecord[] = [];
    for (const [index, value] of values.entries()) {
      const record = this.#read(value, predictedAt, () => where(index));
      if (record instanceof MillraceError) refuse(index, record);
      else {
        asked.push(record);
        places.push(index);
      }
    }
    if (asked.length === 0) return new Map();
    const found = await inTime(this.#vectors(asked, now), deadlineAt);
    caller?.refuseIfGone();
    const routed: (Routed | null)[] = asked.map((each) => this.#routed(each, null));
    const how: Asking = { deadlineAt, lane, caller };
    const scores = found === late ? [] : await this.#score(asked, routed, found.values, now, how);
    const { fallback } = this.scoring;
    const answered: Answered[] = [];
    const answeredBy: Scored[] = [];
    const answeredAt: number[] = [];
    const answeredRoutes: (Routed | null)[] = [];
    for (const [row, record] of asked.entries()) {
      const place = places[row] as number;
      const scored = scores[row] ?? {
        ...{ probability: fallback.value, artifact: "", version: null },
        ...{ why: "late" as const, latencyMs: 0 },
      };
      if (scored.why === "late" && failsLate) {
        const told = { step: this.scoring.name, deadlineMs: deadlineMs ?? this.scoring.deadlineMs };
        refuse(place, new MillraceError("PREDICTION_LATE", told));
        continue;
      }
      const vectors = found === late ? null : found;
      const route = routed[row] ?? null;
      answered.push(this.#answered(record, row, scored, vectors, route, predictedAt));
      answeredRoutes.push(route);
      answeredBy.push(scored);
      answeredAt.push(place);
    }
    const told = await this.#told(answered, answeredBy, asker, explains);
    if (this.#router !== null) await this.shadows.after(answered, answeredRoutes, asker);
    return new Map(told.map((each, index) => [answeredAt[index] as number, each]));
  }

  /** @param found - null: the features were not read in time. */
  #answered(
    { id, eventTime, row: fields }: AskedRecord,
    row: number,
    { probability: score, version, why, latencyMs }: Scored,
    found: Vectors | null,
    route: Routed | null,
    predictedAt: number,
  ): Answered {
    const { length } = this.scoring.features;
    const asOf = found === null ? Number.NEGATIVE_INFINITY : (found.asOf[row] as number);
    const vector =
      found === null
        ? new Float64Array(length).fill(Number.NaN)
        : found.values.subarray(row * length, (row + 1) * length);
    const { flags } = this.#judge.ranged(vector, 0);
    const besides = route === null ? null : toldOf(route, version ?? "");
    const { probability, told } = this.#judge.judge(score, fields, vector, 0, flags, besides);
    return {
      id,
      eventTime,
      predictedAt,
      probability,
      version,
      fallbackReason: why,
      latencyMs,
      featuresAsOf: Number.isFinite(asOf) ? asOf : null,
      incomplete: found === null,
      lookedUp: found?.read.lookedUp[row] ?? [],
      told,
      features: vector,
      explanation: null,
    };
  }

  /** Logs predictions as the step tells them; with explanations where they are asked for. */
  async #told(
    predictions: readonly Answered[],
    scores: readonly Scored[],
    asker: Asker,
    explains: boolean,
  ): Promise<readonly ServedPrediction[]> {
    const { explainsMost } = this.scoring;
    if (explainsMost === undefined) {
      await this.#said(predictions, asker);
      return explains ? await this.#explained(predictions, scores) : predictions;
    }
    const whole = await this.#explained(predictions, scores);
    const told = whole.map((each) => {
      const { explanation } = each;
      return { ...each, explanation: explanation && toldExplanation(explanation, explainsMost) };
    });
    await this.#said(told, asker);
    return explains ? whole : told;
  }

  async #said(predictions: readonly LoggedPrediction[], asker: Asker): Promise<void> {
    if (predictions.length === 0) return;
    const { plan, log, predicted } = this.#world;
    await log?.write(plan, this.scoring, predictions, asker);
    for (const each of predictions) predicted(this.scoring.name, each);
  }

  async #explained(predictions: readonly Answered[], scores: readonly Scored[]) {
    const answered = predictions.map((each, index) => {
      return { artifact: scores[index]?.artifact ?? "", vector: each.features };
    });
    const explained = await this.#world.explanations.ofAll(this.scoring.features, answered);
    return predictions.map((each, index) => ({ ...each, explanation: explained[index] ?? null }));
  }

  /** @returns why not, where it cannot be scored. */
  #read(value: unknown, now: number, where: () => string): AskedRecord | MillraceError {
    const step = this.scoring.name;
    try {
      const record = this.request.read(value, now);
      return record ?? new MillraceError("RECORD_EXCLUDED", { where: where(), step });
    } catch (error) {
      if (!(error instanceof EventMisfit)) throw error;
      return new MillraceError("RECORD_REFUSED", { where: where(), step, reason: error.message });
    }
  }

  async #vectors(asked: readonly AskedRecord[], now: number | null): Promise<Vectors> {
    const entities = asked.map((each) => each.entities);
    const read = await this.#reads.read(entities, now, now === null ? 0 : liveLagMs);
    const width = this.scoring.features.length;
    const values = new Float64Array(width * asked.length);
    const asOf = asked.map((record, index) => {
      const at = index * width;
      const newest = read.take(index, values, at);
      this.request.copyRequest(record, values, at + this.#reads.width);
      return newest;
    });
    return { values, asOf, read };
  }

  /** By the routes of a register at a time; null: as far as it goes without them. */
  #routed(
    { id, row }: AskedRecord,
    world: { readonly register: ModelRegister; readonly at: number } | null,
  ): Routed | null {
    if (this.#router === null) return null;
    const champion = world?.register.at(world.at) ?? { version: "", artifact: "", before: null };
    const routes = world?.register.routesAt(world.at) ?? null;
    const assignment = this.#router.assign(routes, champion, id, row);
    const beside = { standby: null, shadow: null, rerouted: null, shadowScore: null };
    return { assignment, champion: champion.version, ...beside };
  }

  /** @param routed - by row, takes who is to answer. */
  async #score(
    asked: readonly AskedRecord[],
    routed: (Routed | null)[],
    values: Float64Array,
    now: number | null,
    how: Asking,
  ): Promise<Scored[]> {
    const { champions } = this.#world;
    const register = await inTime(champions.of(this.scoring.name), how.deadlineAt);
    if (register === late) return [];
    this.#askedFor = Math.max(this.#askedFor, now ?? Number.POSITIVE_INFINITY);
    const at = this.#askedFor;
    const width = this.scoring.features.length;
    const scored: Scored[] = [];
    const groups = new Map<string, Group>();
    for (const [row, record] of asked.entries()) {
      const route = this.#routed(record, { register, at });
      routed[row] = route;
      const challenger = route?.assignment.challenger ?? null;
      const { model, why } = register.asked(at, this.scoring.fallback, challenger);
      if (route !== null && challenger !== null && model !== challenger) {
        route.rerouted = "put aside";
      }
      const reason = this.#judge.ranged(values, row * width).refused ? "out of range" : why;
      if (reason !== null) {
        scored[row] = this.#fallBack(reason);
        continue;
      }
      const group = groups.get(model.version) ?? { model, rows: [] };
      groups.set(model.version, group);
      group.rows.push(row);
    }
    register.settled();
    const asks = [...groups.values()].map((group) =>
      this.#ask(register, group, values, how, { scored, routed }),
    );
    await Promise.all(asks);
    return scored;
  }

  /** Asks a model for rows, and where it is put aside meanwhile the one before it. */
  async #ask(
    register: ModelRegister,
    { model: first, rows }: Group,
    values: Float64Array,
    how: Asking,
    { scored, routed }: { readonly scored: Scored[]; readonly routed: readonly (Routed | null)[] },
  ): Promise<void> {
    const { features, fallback } = this.scoring;
    const width = features.length;
    let model: ModelInForce = first;
    let pending: readonly number[] = rows;
    while (pending.length > 0) {
      const answer = await this.#answers(model, picked(values, pending, width), how);
      const left: number[] = [];
      const { version, challenges } = model;
      const next = () => register.inPlaceOf(model, fallback);
      for (const [at, row] of pending.entries()) {
        const own = register.isAside(version)
          ? "put aside"
          : register.told(version, answer.states[at] as number);
        const why = answer.isDegraded ? "busy" : own;
        if (why === null) {
          const probability = answer.probabilities[at] as number;
          const { artifact } = model;
          scored[row] = { probability, artifact, version, why, latencyMs: answer.latencyMs };
          continue;
        }
        const route = routed[row] ?? null;
        if (challenges && route !== null) route.rerouted = why;
        const mayAsk = challenges || why === "put aside";
        if (mayAsk && next() !== null) left.push(row);
        else scored[row] = this.#fallBack(why);
      }
      this.#tell(register, version, answer.failure);
      pending = left;
      if (left.length > 0) model = next() as ModelInForce;
    }
  }

  /** What the model says within the deadline, of the request or of the step; it is loaded first. */
  async #answers(model: ModelInForce, vectors: Float64Array, how: Asking) {
    const { deadlineAt, lane, caller } = how;
    const { batcher, models } = this.#world;
    const rows = vectors.length / this.scoring.features.length;
    try {
      const ready = models.ready(model.artifact, this.scoring.features.length);
      if ((await inTime(ready, deadlineAt)) === late) return noAnswers(rows, "late");
      const own = performance.now() + this.scoring.deadlineMs;
      const until = Number.isFinite(deadlineAt) ? deadlineAt : own;
      return await batcher.score(model, vectors, until, lane, caller);
    } catch (error) {
      if (!isModelFailure(error)) throw error;
      return { ...noAnswers(rows, "failed"), failure: error.message };
    }
  }

  #fallBack(why: FallbackReason): Scored {
    const probability = this.scoring.fallback.value;
    return { probability, artifact: "", version: null, why, latencyMs: 0 };
  }

  /** Says once of a version that it fails, and each time that it is put aside. */
  #tell(register: ModelRegister, version: string, failure: string | null): void {
    const { warn } = this.#world;
    const step = this.scoring.name;
    if (failure !== null && !this.#warned.has(version)) {
      this.#warned.add(version);
      warn("a model fails; the fallback answers", { step, version, reason: failure });
    }
    for (const aside of register.takeNews()) {
      warn("a model is put aside until the next one; the fallback answers", {
        step,
        version: aside,
      });
    }
  }
}
