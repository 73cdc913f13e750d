import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { featureColumns, viewId } from "../../schemas/feature-view.ts";
import type { Plan, ScoringSpec } from "../../schemas/plan.ts";

/** Vectors kept for reuse; more are left to the garbage collector. */
const spareVectors = 1024;

interface Assembly {
  answers: number;
  /** Newest knownAt that any answer has seen, −Infinity while none has seen a record. */
  asOf: number;
  readonly vector: Float64Array;
}

/**
 * Gathers the answers of look-ups by id until the trigger takes them: answers precede the trigger
 * of their instant, so a vector is complete when it is asked for. Memory: one vector an id in
 * flight.
 */
export class FeatureAssembly {
  /** Features that come from answers; request features follow them. */
  readonly width: number;
  readonly #scoring: ScoringSpec;
  /** By slot: where its features start, and how many there are. */
  readonly #start: number[] = [];
  readonly #count: number[] = [];
  readonly #assemblies = new Map<string, Assembly>();
  readonly #spare: Assembly[] = [];

  constructor(plan: Plan, scoring: ScoringSpec) {
    this.#scoring = scoring;
    let start = 0;
    for (const lookup of scoring.lookups) {
      const view = plan.views.find((each) => viewId(each) === lookup.view);
      if (view === undefined) throw new RangeError(`the plan has no view ${lookup.view}`);
      const count = featureColumns(view).length;
      this.#start.push(start);
      this.#count.push(count);
      start += count;
    }
    this.width = start;
    if (start + scoring.request.length !== scoring.features.length) {
      throw new RangeError(`${scoring.name}: look-ups do not add up to the feature vector`);
    }
  }

  /** Takes the payload of one answer behind its id: u8 slot, f64 asOf, n × f64. */
  answer(id: string, payload: ByteReader): void {
    let assembly = this.#assemblies.get(id);
    if (assembly === undefined) {
      assembly = this.#fresh();
      this.#assemblies.set(id, assembly);
    }
    const slot = payload.u8();
    const asOf = payload.f64();
    if (asOf > assembly.asOf) assembly.asOf = asOf;
    assembly.answers++;
    const start = this.#start[slot] as number;
    const end = start + (this.#count[slot] as number);
    for (let i = start; i < end; i++) assembly.vector[i] = payload.f64();
  }

  /**
   * Moves the answers of an id into `target` from `at` on and returns their newest asOf. Two
   * records of one id and one instant have sent two look-ups a slot; both get the answers of the
   * second.
   *
   * @throws {MillraceError} ANSWER_MISSING when a look-up has not been answered.
   */
  take(id: string, target: Float64Array, at: number): number {
    const { lookups } = this.#scoring;
    if (lookups.length === 0) return Number.NEGATIVE_INFINITY;
    const assembly = this.#assemblies.get(id);
    if (assembly === undefined || assembly.answers < lookups.length) {
      throw new MillraceError("ANSWER_MISSING", {
        scoring: this.#scoring.name,
        answers: assembly?.answers ?? 0,
        lookups: lookups.length,
      });
    }
    target.set(assembly.vector, at);
    this.#release(id, assembly);
    return assembly.asOf;
  }

  /** Forgets the answers to a record that is not scored. */
  drop(id: string): void {
    const assembly = this.#assemblies.get(id);
    if (assembly !== undefined) this.#release(id, assembly);
  }

  snapshot(writer: ByteWriter): void {
    writer.u32(this.#assemblies.size);
    for (const [id, assembly] of this.#assemblies) {
      writer.text(id);
      writer.u32(assembly.answers);
      writer.f64(assembly.asOf);
      for (let i = 0; i < this.width; i++) writer.f64(assembly.vector[i] as number);
    }
  }

  restore(reader: ByteReader): void {
    this.#assemblies.clear();
    for (let left = reader.u32(); left > 0; left--) {
      const assembly = this.#fresh();
      this.#assemblies.set(reader.text(), assembly);
      assembly.answers = reader.u32();
      assembly.asOf = reader.f64();
      for (let i = 0; i < this.width; i++) assembly.vector[i] = reader.f64();
    }
  }

  #fresh(): Assembly {
    const spare = this.#spare.pop();
    if (spare === undefined) {
      return { answers: 0, asOf: Number.NEGATIVE_INFINITY, vector: new Float64Array(this.width) };
    }
    spare.answers = 0;
    spare.asOf = Number.NEGATIVE_INFINITY;
    return spare;
  }

  #release(id: string, assembly: Assembly): void {
    assembly.answers -= this.#scoring.lookups.length;
    if (assembly.answers > 0) return;
    this.#assemblies.delete(id);
    if (this.#spare.length < spareVectors) this.#spare.push(assembly);
  }
}
