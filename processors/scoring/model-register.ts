import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { type ModelRoutes, versionsIn } from "../../schemas/model-routes.ts";
import type { ModelAnswer } from "../../schemas/payload.ts";
import type { ScoringSpec } from "../../schemas/steps/scoring.ts";
import type { ChampionNews } from "./model-news.ts";
import { rowStates } from "./score-work.ts";

/** Why the fallback answers in place of a model; "busy" on request alone. */
export type FallbackReason =
  | ("no model" | "late" | "failed" | "put aside")
  | ("out of range" | "busy");

/** Rows in a row that a model may fail at before it is put aside. */
export const failuresInARow = 10;

/** A model that answers; "" is none. */
export interface ModelInForce {
  readonly version: string;
  /** sha256 of its ONNX artifact. */
  readonly artifact: string;
  /** The model in force before it: of another version, and without one before it. */
  readonly before: ModelInForce | null;
  /** Of one that was to answer in place of the champion, which is the one before it. */
  readonly challenges?: true;
}

interface ComingRoutes {
  readonly effectiveFrom: number;
  /** Null: there are none from then on. */
  readonly routes: ModelRoutes | null;
}

/** What snapshots hold of routes, as JSON. */
interface RoutesSnapshot {
  readonly routes: ModelRoutes | null;
  /** Null: there never were any. */
  readonly from: number | null;
  readonly coming: readonly ComingRoutes[];
  readonly failures: readonly (readonly [version: string, failures: number])[];
}

interface ComingModel {
  readonly effectiveFrom: number;
  readonly version: string;
  readonly artifact: string;
}

const none: ModelInForce = Object.freeze({ version: "", artifact: "", before: null });

/**
 * Which model is in force. One that is promoted, by the trainer or by somebody, is from after its
 * effectiveFrom on, until the next one. One that fails at {@link failuresInARow} rows without an
 * answer between them is put aside: it answers nothing any more until the next one comes. Rows are
 * told in the order of their triggers, so it is decided by the input, however rows were gathered
 * for the model.
 */
export class ModelRegister {
  #current: ModelInForce = none;
  #currentFrom = Number.NEGATIVE_INFINITY;
  /** Promoted models that are not in force yet, by effectiveFrom. */
  #coming: ComingModel[] = [];
  /** Whether it keeps routes. */
  readonly #isRouted: boolean;
  #routes: ModelRoutes | null = null;
  #routesFrom = Number.NEGATIVE_INFINITY;
  /** By effectiveFrom. */
  #comingRoutes: ComingRoutes[] = [];
  /** Failures in a row by version, of those that have any. */
  readonly #failures = new Map<string, number>();
  #news: string[] = [];
  /** Number of the last news that were heard. */
  heard = 0;

  /** @param isRouted - whether its step is routed; else routes are no matter. @default false */
  constructor(isRouted = false) {
    this.#isRouted = isRouted;
  }

  promote({
    effectiveFrom,
    version,
    sha256,
  }: Pick<ModelAnswer, "effectiveFrom" | "version" | "sha256">): void {
    // Whoever came into force later has the last word.
    if (effectiveFrom < this.#currentFrom) return;
    const later = this.#coming.findIndex((each) => each.effectiveFrom > effectiveFrom);
    const at = later < 0 ? this.#coming.length : later;
    this.#coming.splice(at, 0, { effectiveFrom, version, artifact: sha256 });
  }

  /** Takes news once, however often they are told. */
  hear(news: ChampionNews): void {
    if (news.number <= this.heard) return;
    this.heard = news.number;
    this.take(news);
  }

  /** Takes what somebody has said of who answers. */
  take(news: Omit<ChampionNews, "number">): void {
    const { effectiveFrom, version, routes = null } = news;
    if (version !== "") this.promote(news);
    if (!this.#isRouted || effectiveFrom < this.#routesFrom) return;
    const later = this.#comingRoutes.findIndex((each) => each.effectiveFrom > effectiveFrom);
    const at = later < 0 ? this.#comingRoutes.length : later;
    this.#comingRoutes.splice(at, 0, { effectiveFrom, routes });
  }

  /** The routes for what is known at `knownAt`, which never falls; null: there are none. */
  routesAt(knownAt: number): ModelRoutes | null {
    let next = this.#comingRoutes[0];
    while (next !== undefined && next.effectiveFrom < knownAt) {
      this.#routes = next.routes;
      this.#routesFrom = next.effectiveFrom;
      this.#comingRoutes.shift();
      next = this.#comingRoutes[0];
    }
    return this.#routes;
  }

  /** The model for what is known at `knownAt`, which never falls; also one that is put aside. */
  at(knownAt: number): ModelInForce {
    let next = this.#coming[0];
    while (next !== undefined && next.effectiveFrom < knownAt) {
      const { version, artifact } = next;
      const last = this.#current;
      const before = last.version === version ? last.before : alone(last);
      this.#current = { version, artifact, before };
      this.#currentFrom = next.effectiveFrom;
      this.#coming.shift();
      next = this.#coming[0];
    }
    return this.#current;
  }

  /** Why a model is not asked; null: it is. */
  whyNone({ version }: ModelInForce): FallbackReason | null {
    if (version === "") return "no model";
    return this.isAside(version) ? "put aside" : null;
  }

  /** The model before one that is put aside; null: it does not answer either, or may not. */
  inPlaceOf(model: ModelInForce | null, fallback: ScoringSpec["fallback"]): ModelInForce | null {
    const { previous } = fallback;
    const mayAnswer = previous === true || model?.challenges === true;
    const before = mayAnswer ? (model?.before ?? null) : null;
    if (before === null || !this.isAside(before.version)) return before;
    return model?.challenges === true ? this.inPlaceOf(before, fallback) : null;
  }

  /**
   * The model that is asked for what is known at `knownAt`, and else why none is.
   *
   * @param challenger - is to answer in place of the champion. @default nobody is
   */
  asked(
    knownAt: number,
    fallback: ScoringSpec["fallback"],
    challenger: ModelInForce | null = null,
  ): { readonly model: ModelInForce; readonly why: FallbackReason | null } {
    const inForce = challenger ?? this.at(knownAt);
    const model =
      this.whyNone(inForce) === null ? inForce : (this.inPlaceOf(inForce, fallback) ?? inForce);
    return { model, why: this.whyNone(model) };
  }

  /** Takes what became of a row, of `rowStates`: why its answer does not count; null: it does. */
  told(version: string, state: number): FallbackReason | null {
    if (state === rowStates.answered) {
      this.answered(version);
      return null;
    }
    if (state === rowStates.late) return "late";
    this.failed(version);
    return "failed";
  }

  isAside(version: string): boolean {
    return this.#failures.size > 0 && (this.#failures.get(version) ?? 0) >= failuresInARow;
  }

  /** Rows in a row that a version has failed at. */
  failuresOf(version: string): number {
    return this.#failures.get(version) ?? 0;
  }

  answered(version: string): void {
    if (this.#failures.size > 0) this.#failures.delete(version);
  }

  failed(version: string): void {
    const failures = (this.#failures.get(version) ?? 0) + 1;
    this.#failures.set(version, failures);
    if (failures === failuresInARow) this.#news.push(version);
  }

  /** No row is on its way to a model: what earlier ones failed at no longer matters. */
  settled(): void {
    if (this.#failures.size === 0) return;
    const { version: current, before } = this.#current;
    const kept = new Set([current, before?.version, ...versionsIn(this.#routes)]);
    for (const version of this.#failures.keys()) {
      if (!kept.has(version)) this.#failures.delete(version);
    }
  }

  /** Versions that have been put aside since the last call. */
  takeNews(): readonly string[] {
    const news = this.#news;
    if (news.length > 0) this.#news = [];
    return news;
  }

  snapshot(writer: ByteWriter): void {
    const { before } = this.#current;
    writer.f64(this.#currentFrom);
    for (const model of [this.#current, before ?? none]) {
      writer.text(model.version);
      writer.text(model.artifact);
      writer.u32(this.#failures.get(model.version) ?? 0);
    }
    writer.u32(this.heard);
    writer.u16(this.#coming.length);
    for (const { effectiveFrom, version, artifact } of this.#coming) {
      writer.f64(effectiveFrom);
      writer.text(version);
      writer.text(artifact);
    }
    if (!this.#isRouted) return;
    const held: RoutesSnapshot = {
      routes: this.#routes,
      from: Number.isFinite(this.#routesFrom) ? this.#routesFrom : null,
      coming: this.#comingRoutes,
      failures: [...this.#failures],
    };
    writer.bytes(Buffer.from(JSON.stringify(held), "utf8"));
  }

  restore(reader: ByteReader): void {
    this.#failures.clear();
    this.#currentFrom = reader.f64();
    const model = (): ModelInForce => {
      const { version, artifact } = { version: reader.text(), artifact: reader.text() };
      const failures = reader.u32();
      if (failures > 0) this.#failures.set(version, failures);
      return { version, artifact, before: null };
    };
    const current = model();
    const before = model();
    this.#current = { ...current, before: before.version === "" ? null : before };
    this.heard = reader.u32();
    this.#coming = Array.from({ length: reader.u16() }, () => ({
      effectiveFrom: reader.f64(),
      version: reader.text(),
      artifact: reader.text(),
    }));
    if (!this.#isRouted) return;
    const held = JSON.parse(reader.bytes().toString("utf8")) as RoutesSnapshot;
    this.#routes = held.routes;
    this.#routesFrom = held.from ?? Number.NEGATIVE_INFINITY;
    this.#comingRoutes = [...held.coming];
    for (const [version, failures] of held.failures) this.#failures.set(version, failures);
  }
}

/** Without what was before it: chains would grow. */
function alone(model: ModelInForce): ModelInForce | null {
  return model.version === "" ? null : { ...model, before: null };
}
