import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { answerLayout } from "../../schemas/input-payloads.ts";
import { PayloadView } from "../../schemas/payload-view.ts";
import type { ScoringOperator, ScoringSpec } from "../../schemas/steps/scoring.ts";
import { type ReadAnswer, readNumbers, readTyped } from "./read-answer.ts";

/** Vectors kept for reuse; more are left to the garbage collector. */
const spareVectors = 1024;

interface Assembly {
  /** By slot how many answers no record has taken yet. */
  readonly answers: Uint32Array;
  /** Whether an answer says that a wait behind it was ended. */
  incomplete: boolean;
  /** Newest knownAt that any answer has seen, −Infinity while none has seen a record. */
  asOf: number;
  readonly vector: Float64Array;
}

/**
 * Gathers the answers of look-ups by id until the trigger takes them: answers precede the trigger
 * of their instant, so a vector is complete when it is asked for, unless a wait for answers was
 * ended (live mode). Memory: one vector an id in flight, and a number a slot for an id whose
 * answers are owed.
 */
export class FeatureAssembly {
  /** Features that come from answers; request features follow them. */
  readonly width: number;
  readonly #scoring: ScoringSpec;
  /** By slot: where its features start, and how many there are. */
  readonly #start: number[] = [];
  readonly #count: number[] = [];
  readonly #read: ReadAnswer[] = [];
  /** What answers of all slots begin with. */
  readonly #head = new PayloadView(answerLayout(0, { fields: [] }));
  readonly #id = this.#head.place("id");
  readonly #slot = this.#head.place("slot");
  readonly #incomplete = this.#head.place("incomplete");
  readonly #asOf = this.#head.place("asOf");
  readonly #assemblies = new Map<string, Assembly>();
  readonly #spare: Assembly[] = [];
  readonly #mayLack: boolean;
  /** By id and slot how many answers were not waited for; they are dropped when they come. */
  readonly #owed = new Map<string, Uint32Array>();
  /** Whether the vector of the last `take` lacks something that was not waited for. */
  incomplete = false;

  /** @param mayLack - whether waits may have been ended; else a missing answer is an error. */
  constructor({ scoring, widths, answers = [] }: ScoringOperator, mayLack: boolean) {
    this.#scoring = scoring;
    this.#mayLack = mayLack;
    let start = 0;
    for (const [slot, count] of widths.entries()) {
      const spec = answers[slot] ?? null;
      this.#start.push(start);
      this.#count.push(count);
      this.#read.push(spec === null ? readNumbers(count) : readTyped(spec));
      start += count;
    }
    this.width = start;
    if (start + scoring.request.length !== scoring.features.length) {
      throw new RangeError(`${scoring.name}: look-ups do not add up to the feature vector`);
    }
  }

  /** Takes one answer. */
  answer(payload: ByteReader): void {
    const start = payload.position;
    const head = this.#head;
    head.open(payload);
    const id = head.text(this.#id);
    const slot = head.byte(this.#slot);
    if (this.#owed.size > 0 && this.#repay(id, slot)) return;
    let assembly = this.#assemblies.get(id);
    if (assembly === undefined) {
      assembly = this.#fresh();
      this.#assemblies.set(id, assembly);
    }
    if (head.boolean(this.#incomplete)) assembly.incomplete = true;
    const asOf = head.number(this.#asOf);
    if (asOf > assembly.asOf) assembly.asOf = asOf;
    assembly.answers[slot] = (assembly.answers[slot] as number) + 1;
    const columns = this.#read[slot] as ReadAnswer;
    payload.position = start;
    columns.payload.open(payload);
    columns.copy(assembly.vector, this.#start[slot] as number);
  }

  /**
   * Moves the answers of an id into `target` from `at` on, NaN in place of those that were not
   * waited for, and returns their newest asOf. Two records of one id and one instant have sent two
   * look-ups a slot; both get the answers of the second.
   *
   * @throws {MillraceError} ANSWER_MISSING when a look-up has not been answered and had to be.
   */
  take(id: string, target: Float64Array, at: number): number {
    const assembly = this.#assemblies.get(id);
    const answered = this.#answered(assembly);
    const slots = this.#count.length;
    if (answered < slots && !this.#mayLack) {
      const scoring = this.#scoring.name;
      throw new MillraceError("ANSWER_MISSING", { scoring, answers: answered, lookups: slots });
    }
    if (assembly === undefined) target.fill(Number.NaN, at, at + this.width);
    else target.set(assembly.vector, at);
    if (answered < slots) this.#blank(assembly, target, at);
    this.incomplete = answered < slots || assembly?.incomplete === true;
    this.#spend(id, assembly);
    return assembly?.asOf ?? Number.NEGATIVE_INFINITY;
  }

  /** Forgets the answers to a record that is not scored. */
  drop(id: string): void {
    this.#spend(id, this.#assemblies.get(id));
  }

  snapshot(writer: ByteWriter): void {
    writer.u32(this.#assemblies.size);
    for (const [id, assembly] of this.#assemblies) {
      writer.text(id);
      for (const answers of assembly.answers) writer.u32(answers);
      writer.u8(assembly.incomplete ? 1 : 0);
      writer.f64(assembly.asOf);
      for (let i = 0; i < this.width; i++) writer.f64(assembly.vector[i] as number);
    }
    writer.u32(this.#owed.size);
    for (const [id, owed] of this.#owed) {
      writer.text(id);
      for (const answers of owed) writer.u32(answers);
    }
  }

  restore(reader: ByteReader): void {
    this.#assemblies.clear();
    for (let left = reader.u32(); left > 0; left--) {
      const assembly = this.#fresh();
      this.#assemblies.set(reader.text(), assembly);
      readCounts(reader, assembly.answers);
      assembly.incomplete = reader.u8() === 1;
      assembly.asOf = reader.f64();
      for (let i = 0; i < this.width; i++) assembly.vector[i] = reader.f64();
    }
    this.#owed.clear();
    for (let left = reader.u32(); left > 0; left--) {
      this.#owed.set(reader.text(), readCounts(reader, this.#counts()));
    }
  }

  /** Slots that have an answer. */
  #answered(assembly: Assembly | undefined): number {
    let answered = 0;
    if (assembly !== undefined) for (const answers of assembly.answers) if (answers > 0) answered++;
    return answered;
  }

  /** NaN in the slots that have no answer. */
  #blank(assembly: Assembly | undefined, target: Float64Array, at: number): void {
    assembly?.answers.forEach((answers, slot) => {
      if (answers > 0) return;
      const start = at + (this.#start[slot] as number);
      target.fill(Number.NaN, start, start + (this.#count[slot] as number));
    });
  }

  /** Takes one answer a slot away; one that has not come is owed, where it need not be there. */
  #spend(id: string, assembly: Assembly | undefined): void {
    let left = 0;
    for (let slot = 0; slot < this.#count.length; slot++) {
      const answers = assembly?.answers[slot] ?? 0;
      left += Math.max(0, answers - 1);
      if (answers === 0) this.#owe(id, slot);
      else if (assembly !== undefined) assembly.answers[slot] = answers - 1;
    }
    if (assembly !== undefined && left === 0) this.#forget(id, assembly);
  }

  #owe(id: string, slot: number): void {
    if (!this.#mayLack) return;
    const owed = this.#owed.get(id) ?? this.#counts();
    owed[slot] = (owed[slot] as number) + 1;
    this.#owed.set(id, owed);
  }

  /** Whether an answer is one that is owed, and then dropped. */
  #repay(id: string, slot: number): boolean {
    const owed = this.#owed.get(id);
    const answers = owed?.[slot] ?? 0;
    if (owed === undefined || answers === 0) return false;
    owed[slot] = answers - 1;
    if (owed.every((each) => each === 0)) this.#owed.delete(id);
    return true;
  }

  #fresh(): Assembly {
    const spare = this.#spare.pop();
    if (spare === undefined) {
      return {
        answers: this.#counts(),
        incomplete: false,
        asOf: Number.NEGATIVE_INFINITY,
        vector: new Float64Array(this.width).fill(Number.NaN),
      };
    }
    spare.answers.fill(0);
    spare.incomplete = false;
    spare.asOf = Number.NEGATIVE_INFINITY;
    if (this.#mayLack) spare.vector.fill(Number.NaN);
    return spare;
  }

  /** 0 for each slot. */
  #counts(): Uint32Array {
    return new Uint32Array(this.#count.length);
  }

  #forget(id: string, assembly: Assembly): void {
    this.#assemblies.delete(id);
    if (this.#spare.length < spareVectors) this.#spare.push(assembly);
  }
}

function readCounts(reader: ByteReader, counts: Uint32Array): Uint32Array {
  for (let i = 0; i < counts.length; i++) counts[i] = reader.u32();
  return counts;
}
