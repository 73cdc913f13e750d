import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { featureColumns, viewId } from "../../schemas/feature-view.ts";
import type { Plan, ScoringSpec } from "../../schemas/plan.ts";

/** Vectors kept for reuse; more are left to the garbage collector. */
const spareVectors = 1024;

interface Assembly {
  answers: number;
  /** Whether an answer says that a wait behind it was ended. */
  incomplete: boolean;
  /** Newest knownAt that any answer has seen, −Infinity while none has seen a record. */
  asOf: number;
  readonly vector: Float64Array;
}

/**
 * Gathers the answers of look-ups by id until the trigger takes them: answers precede the trigger
 * of their instant, so a vector is complete when it is asked for, unless a wait for answers was
 * ended (live mode). Memory: one vector an id in flight, and a number an id whose answers are owed.
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
  readonly #mayLack: boolean;
  /** By id how many answers came too late for it, or are still to come. */
  readonly #owed = new Map<string, number>();
  /** Whether the vector of the last `take` lacks something that was not waited for. */
  incomplete = false;

  /** @param mayLack - whether waits may have been ended; else a missing answer is an error. */
  constructor(plan: Plan, scoring: ScoringSpec, mayLack: boolean) {
    this.#scoring = scoring;
    this.#mayLack = mayLack;
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

  /** Takes the payload of one answer behind its id: u8 slot, u8 incomplete, f64 asOf, n × f64. */
  answer(id: string, payload: ByteReader): void {
    if (this.#owed.size > 0 && this.#repay(id)) {
      payload.position = payload.end;
      return;
    }
    let assembly = this.#assemblies.get(id);
    if (assembly === undefined) {
      assembly = this.#fresh();
      this.#assemblies.set(id, assembly);
    }
    const slot = payload.u8();
    if (payload.u8() !== 0) assembly.incomplete = true;
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
   * @throws {MillraceError} ANSWER_MISSING when a look-up has not been answered and had to be.
   */
  take(id: string, target: Float64Array, at: number): number {
    const { lookups } = this.#scoring;
    this.incomplete = false;
    if (lookups.length === 0) return Number.NEGATIVE_INFINITY;
    const assembly = this.#assemblies.get(id);
    if (assembly === undefined || assembly.answers < lookups.length) {
      if (this.#mayLack) return this.#takePart(id, assembly, target, at);
      throw new MillraceError("ANSWER_MISSING", {
        scoring: this.#scoring.name,
        answers: assembly?.answers ?? 0,
        lookups: lookups.length,
      });
    }
    target.set(assembly.vector, at);
    this.incomplete = assembly.incomplete;
    const { asOf } = assembly;
    this.#release(id, assembly);
    return asOf;
  }

  /** Forgets the answers to a record that is not scored. */
  drop(id: string): void {
    const assembly = this.#assemblies.get(id);
    if (this.#mayLack && (assembly?.answers ?? 0) < this.#scoring.lookups.length) {
      this.#owe(id, assembly);
    } else if (assembly !== undefined) this.#release(id, assembly);
  }

  snapshot(writer: ByteWriter): void {
    writer.u32(this.#assemblies.size);
    for (const [id, assembly] of this.#assemblies) {
      writer.text(id);
      writer.u32(assembly.answers);
      writer.u8(assembly.incomplete ? 1 : 0);
      writer.f64(assembly.asOf);
      for (let i = 0; i < this.width; i++) writer.f64(assembly.vector[i] as number);
    }
    writer.u32(this.#owed.size);
    for (const [id, answers] of this.#owed) {
      writer.text(id);
      writer.u32(answers);
    }
  }

  restore(reader: ByteReader): void {
    this.#assemblies.clear();
    for (let left = reader.u32(); left > 0; left--) {
      const assembly = this.#fresh();
      this.#assemblies.set(reader.text(), assembly);
      assembly.answers = reader.u32();
      assembly.incomplete = reader.u8() === 1;
      assembly.asOf = reader.f64();
      for (let i = 0; i < this.width; i++) assembly.vector[i] = reader.f64();
    }
    this.#owed.clear();
    for (let left = reader.u32(); left > 0; left--) this.#owed.set(reader.text(), reader.u32());
  }

  /** What has been answered so far; NaN in place of the rest, which is dropped when it comes. */
  #takePart(id: string, assembly: Assembly | undefined, target: Float64Array, at: number): number {
    this.incomplete = true;
    if (assembly === undefined) target.fill(Number.NaN, at, at + this.width);
    else target.set(assembly.vector, at);
    const asOf = assembly?.asOf ?? Number.NEGATIVE_INFINITY;
    this.#owe(id, assembly);
    return asOf;
  }

  #owe(id: string, assembly: Assembly | undefined): void {
    const answers = this.#scoring.lookups.length - (assembly?.answers ?? 0);
    this.#owed.set(id, (this.#owed.get(id) ?? 0) + answers);
    if (assembly !== undefined) this.#forget(id, assembly);
  }

  /** Whether an answer is one that is owed, and then dropped. */
  #repay(id: string): boolean {
    const owed = this.#owed.get(id);
    if (owed === undefined) return false;
    if (owed > 1) this.#owed.set(id, owed - 1);
    else this.#owed.delete(id);
    return true;
  }

  #fresh(): Assembly {
    const spare = this.#spare.pop();
    if (spare === undefined) {
      return {
        answers: 0,
        incomplete: false,
        asOf: Number.NEGATIVE_INFINITY,
        vector: new Float64Array(this.width).fill(Number.NaN),
      };
    }
    spare.answers = 0;
    spare.incomplete = false;
    spare.asOf = Number.NEGATIVE_INFINITY;
    if (this.#mayLack) spare.vector.fill(Number.NaN);
    return spare;
  }

  #release(id: string, assembly: Assembly): void {
    assembly.answers -= this.#scoring.lookups.length;
    if (assembly.answers <= 0) this.#forget(id, assembly);
  }

  #forget(id: string, assembly: Assembly): void {
    this.#assemblies.delete(id);
    if (this.#spare.length < spareVectors) this.#spare.push(assembly);
  }
}
