import type { ByteReader } from "../../schemas/bytes.ts";
import { triggerInput } from "../../schemas/input-payloads.ts";
import { PayloadView, type Place } from "../../schemas/payload-view.ts";
import type { RowLayout } from "../../schemas/row-layout.ts";
import type { ScoringOperator, ScoringSpec } from "../../schemas/steps/scoring.ts";

/** What predictions tell of the fields of their records, by paths: `keys.card`. */
export function keyPaths({ keys }: Pick<ScoringSpec, "keys">): RowLayout {
  const fields = keys?.fields ?? [];
  return { fields: fields.map((field) => ({ ...field, name: `keys.${field.name}` })) };
}

/** A record that is to be scored, read where it stands: one serves record after record. */
export class TriggerInput {
  readonly #payload: PayloadView;
  readonly #id: Place;
  readonly #eventTime: Place;
  /** Null: it is the number of the writer. */
  readonly #partition: Place | null;
  readonly #offset: Place;
  /** Of the first request feature; null: there is none. */
  readonly #request: Place | null;
  readonly #features: number;
  readonly #keys: readonly string[];
  readonly #hasReads: boolean;

  constructor(operator: ScoringOperator) {
    const { scoring } = operator;
    const placed = operator.placed === true;
    const { head } = triggerInput(scoring, placed).layout;
    const keys = keyPaths(scoring).fields;
    const reads = scoring.reads?.fields ?? [];
    this.#payload = new PayloadView({ head, rest: { fields: [...keys, ...reads] } });
    this.#keys = keys.map(({ name }) => name);
    this.#hasReads = reads.length > 0;
    this.#id = this.#payload.place("id");
    this.#eventTime = this.#payload.place("eventTime");
    this.#offset = this.#payload.place("offset");
    this.#partition = placed ? this.#payload.place("partition") : null;
    this.#features = scoring.request.length;
    this.#request = this.#features > 0 ? this.#payload.place("request") : null;
  }

  /** Takes the record at which a reader stands in hand. */
  open(payload: ByteReader): void {
    this.#payload.open(payload);
  }

  id(): string {
    return this.#payload.text(this.#id);
  }

  eventTime(): number {
    return this.#payload.number(this.#eventTime);
  }

  /** Partition of the source. */
  partition(writer: number): number {
    return this.#partition === null ? writer : this.#payload.number(this.#partition);
  }

  /** In that partition. */
  offset(): number {
    return this.#payload.number(this.#offset);
  }

  /** Copies the features that the record brings itself. */
  copyRequest(target: Float64Array, at: number): void {
    if (this.#request !== null) this.#payload.numbers(this.#request, this.#features, target, at);
  }

  /** Its fields that are read, by name, and by their paths those that are told; null: none. */
  row(): Readonly<Record<string, unknown>> | null {
    return this.#hasReads || this.#keys.length > 0 ? this.#payload.row() : null;
  }

  /** What its prediction tells of its fields, by their paths: of its {@link row}; null: nothing. */
  keysIn(row: Readonly<Record<string, unknown>> | null): Readonly<Record<string, unknown>> | null {
    if (row === null || this.#keys.length === 0) return null;
    if (!this.#hasReads) return row;
    return Object.fromEntries(this.#keys.map((name) => [name, row[name]]));
  }
}
