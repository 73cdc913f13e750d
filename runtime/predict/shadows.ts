import type { ModelInForce, ModelRegister } from "../../processors/scoring/model-register.ts";
import type { Routed } from "../../processors/scoring/router.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { ScoringSpec } from "../../schemas/steps/scoring.ts";
import { inTime, late } from "./in-time.ts";
import { type BatchedRows, noAnswers } from "./micro-batcher.ts";
import { isModelFailure } from "./ready-models.ts";
import type { Asker, LoggedPrediction } from "./served-prediction.ts";
import type { StepWorld } from "./step-world.ts";

/** A prediction that has been answered, and who scores beside it. */
interface Shadowing {
  readonly shadow: ModelInForce;
  readonly made: LoggedPrediction;
}

/**
 * What became of a row that a shadow was to score; dropped: there was no room for it; aside: the
 * shadow has been put aside.
 */
export type ShadowResult = "scored" | "failed" | "late" | "dropped" | "aside";

/** Told what became of rows of a step's shadow. */
export type Shadowed = (step: string, version: string, result: ShadowResult, rows: number) => void;

export type ShadowsWorld = Pick<
  StepWorld,
  "plan" | "champions" | "models" | "batcher" | "log" | "warn" | "shadowed"
>;

/** From the answer on, ms: what a shadow says later is not heard. */
const shadowMs = 1_000;
/** Rows of a batch: what comes meanwhile waits for no longer one. */
const batchRows = 32;
/** Rows that may wait or be with a shadow; further ones are dropped. */
const waitingRowsMost = 1_024;

/**
 * Has shadows score beside predictions that a gateway has answered, and logs what they say. Nobody
 * waits for it, and it takes what nothing else needs: rows go while no other waits for a model, and
 * are dropped for others. A shadow that fails is put aside as every model is.
 */
export class Shadows {
  readonly #scoring: ScoringSpec;
  readonly #world: ShadowsWorld;
  readonly #underWay = new Set<Promise<void>>();
  #rows = 0;
  #hasWarned = false;

  constructor(scoring: ScoringSpec, world: ShadowsWorld) {
    this.#scoring = scoring;
    this.#world = world;
  }

  /**
   * Has shadows score beside what was answered and logged, once the answers are on their way:
   * nothing of it is waited for.
   *
   * @param routes - of the answers, one each; null: of a step that is not routed.
   */
  async after(
    answered: readonly LoggedPrediction[],
    routes: readonly (Routed | null)[],
    asker: Asker,
  ): Promise<void> {
    const { log, plan, champions } = this.#world;
    if (log?.keepsShadows(plan, this.#scoring) !== true) return;
    const beside = answered.flatMap((made, index): Shadowing[] => {
      const shadow = routes[index]?.assignment.shadow ?? null;
      // A model is asked for neither of these.
      const isAsked = !made.incomplete && made.fallbackReason !== "out of range";
      return shadow === null || !isAsked ? [] : [{ shadow, made }];
    });
    if (beside.length === 0) return;
    const register = await champions.of(this.#scoring.name);
    this.#score(register, beside, asker);
  }

  #score(register: ModelRegister, all: readonly Shadowing[], asker: Asker): void {
    const byVersion = new Map<string, Shadowing[]>();
    for (const each of all) {
      const { version } = each.shadow;
      const found = byVersion.get(version);
      if (found === undefined) byVersion.set(version, [each]);
      else found.push(each);
    }
    for (const rows of byVersion.values()) {
      for (let from = 0; from < rows.length; from += batchRows) {
        this.#begin(register, rows.slice(from, from + batchRows), asker);
      }
    }
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  #begin(register: ModelRegister, rows: readonly Shadowing[], asker: Asker): void {
    const { version } = (rows[0] as Shadowing).shadow;
    if (this.#rows + rows.length > waitingRowsMost) {
      this.#told(version, "dropped", rows.length);
      return;
    }
    this.#rows += rows.length;
    const run: Promise<void> = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#run(register, rows, asker))
      .catch((error: unknown) => {
        this.#told(version, "dropped", rows.length);
        const isBusy = error instanceof MillraceError && error.code === "GATEWAY_BUSY";
        if (!isBusy) this.#warn(version, String(error));
      })
      .finally(() => {
        this.#rows -= rows.length;
        this.#underWay.delete(run);
      });
    this.#underWay.add(run);
  }

  async #run(register: ModelRegister, all: readonly Shadowing[], asker: Asker) {
    const { log, plan } = this.#world;
    const { shadow } = all[0] as Shadowing;
    const { version } = shadow;
    // It may have been put aside while these waited.
    if (register.isAside(version)) {
      this.#told(version, "aside", all.length);
      return;
    }
    const width = this.#scoring.features.length;
    const vectors = new Float64Array(all.length * width);
    for (const [row, { made }] of all.entries()) vectors.set(made.features, row * width);
    const answer = await this.#answers(shadow, vectors, all.length);
    const told: LoggedPrediction[] = [];
    const counts = { scored: 0, failed: 0, late: 0, aside: 0 };
    for (const [row, { made }] of all.entries()) {
      if (register.isAside(version)) {
        counts.aside++;
        continue;
      }
      const why = register.told(version, answer.states[row] as number);
      counts[why === null ? "scored" : why === "late" ? "late" : "failed"]++;
      if (why === "late") continue;
      const shadowScore = why === null ? (answer.probabilities[row] as number) : null;
      told.push({ ...made, told: { ...made.told, shadowVersion: version, shadowScore } });
    }
    if (answer.failure !== null) this.#warn(version, answer.failure);
    for (const aside of register.takeNews()) {
      const step = this.#scoring.name;
      this.#world.warn("a model is put aside until the next one", { step, version: aside });
    }
    if (told.length > 0) await log?.writeShadows(plan, this.#scoring, told, asker);
    for (const [result, rows] of Object.entries(counts)) {
      if (rows > 0) this.#told(version, result as keyof typeof counts, rows);
    }
  }

  async #answers(shadow: ModelInForce, vectors: Float64Array, rows: number): Promise<BatchedRows> {
    const { models, batcher } = this.#world;
    const deadlineAt = performance.now() + shadowMs;
    try {
      const ready = models.ready(shadow.artifact, this.#scoring.features.length);
      if ((await inTime(ready, deadlineAt)) === late) return noAnswers(rows, "late");
      return await batcher.score(shadow, vectors, deadlineAt, "spare");
    } catch (error) {
      if (!isModelFailure(error)) throw error;
      return { ...noAnswers(rows, "failed"), failure: error.message };
    }
  }

  #told(version: string, result: ShadowResult, rows: number): void {
    this.#world.shadowed(this.#scoring.name, version, result, rows);
  }

  /** Once. */
  #warn(version: string, reason: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const { name: step } = this.#scoring;
    this.#world.warn("a shadow does not score, or is not logged", { step, version, reason });
  }
}
