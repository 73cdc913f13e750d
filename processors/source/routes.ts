import type { ByteWriter } from "../../schemas/bytes.ts";
import { encoderOf } from "../../schemas/encodings/encodings.ts";
import { asksClosures, type ClosureFailure, type Scalar } from "../../schemas/expression.ts";
import { type AggregateInput, entityKey } from "../../schemas/feature-view.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import type { Ports } from "../../schemas/plan.ts";
import type { RouteField, RouteSpec } from "../../schemas/route.ts";
import { RowCodec, valueCodec } from "../../schemas/row-codec.ts";
import { readInput, readValue } from "../aggregate/read-input.ts";
import type { Outbox } from "../processor.ts";
import type { Bound } from "./record-bounds.ts";

/** A decoded record, with the time it is known at and its place. */
export interface StampedRecord {
  fields: Readonly<Record<string, unknown>>;
  eventTime: number;
  knownAt: number;
  /** Place in the source; without one an offset of −1, and the partition of the task. */
  partition: number;
  offset: number;
}

/** Why nobody gets a record. */
export type Refusal = Bound | ClosureFailure;

type Encode = (value: unknown) => number;
type WriteTyped = (payload: ByteWriter, fields: StampedRecord["fields"]) => void;

/** A field for which closures are asked, and what they said of the record in hand. */
interface Asked {
  readonly input: AggregateInput;
  readonly isNumber: boolean;
  value: Scalar;
}

function askedFor(field: RouteField): Asked | undefined {
  if (field.from !== "number" && field.from !== "value") return undefined;
  const { input } = field;
  const conditions = [input.where, input.condition].filter((each) => each !== undefined);
  if (!conditions.some(asksClosures)) return undefined;
  return { input, isNumber: field.from === "number", value: null };
}

function writeTyped(field: RouteField, asked: Asked | undefined): WriteTyped | undefined {
  if (field.from === "row") {
    const codec = new RowCodec(field.layout);
    return (payload, fields) => codec.write(payload, fields);
  }
  if (field.from !== "value") return undefined;
  const { input, type } = field;
  const codec = valueCodec({ type, nullable: true });
  return (payload, fields) =>
    codec.write(payload, asked === undefined ? readValue(input, fields) : asked.value);
}

/** Writes one payload for each record. */
export class Route {
  /** The step that answers for the record; null: it is counted elsewhere. */
  readonly counted: string | null;
  readonly #output: number;
  readonly #partitions: number;
  readonly #key: readonly string[];
  readonly #values: unknown[];
  readonly #fields: readonly RouteField[];
  /** By field what writes it, where that goes by its type. */
  readonly #typed: readonly (WriteTyped | undefined)[];

  /** By field what makes its number of a text, where it is one. */
  readonly #encoders: readonly (Encode | undefined)[];
  readonly #asked: readonly (Asked | undefined)[];
  readonly #asksClosures: boolean;

  /** @throws {RangeError} when the output is no inbox. */
  constructor({ output, key, fields, counted }: RouteSpec, { name, outputs }: Ports) {
    const target = outputs[output];
    if (target?.kind !== "inbox") throw new RangeError(`${name}: output ${output} is no inbox`);
    this.counted = counted;
    this.#output = output;
    this.#partitions = target.partitions;
    this.#key = key;
    this.#values = key.map(() => null);
    this.#fields = fields;
    this.#asked = fields.map(askedFor);
    this.#typed = fields.map((field, i) => writeTyped(field, this.#asked[i]));
    this.#encoders = fields.map((field) =>
      field.from === "encoded" ? encoderOf(field.encoding) : undefined,
    );
    this.#asksClosures = this.#asked.some((each) => each !== undefined);
  }

  /**
   * Asks the closures that its fields go by, once for each record that is written.
   *
   * @throws {ClosureFailure} where one has no answer: nothing is written yet.
   */
  ask(fields: StampedRecord["fields"]): void {
    if (!this.#asksClosures) return;
    for (const asked of this.#asked) {
      if (asked === undefined) continue;
      asked.value = (asked.isNumber ? readInput : readValue)(asked.input, fields);
    }
  }

  /** Whether a record has no key: its field is null, of a label that belongs to no prediction. */
  isKeyless(fields: StampedRecord["fields"]): boolean {
    const names = this.#key;
    if (names.length !== 1) return false;
    const value = fields[names[0] as string];
    return value === null || value === undefined;
  }

  /** False: what is derived is too large, and a dead letter. */
  write(record: StampedRecord, out: Outbox): boolean {
    const key = this.#readKey(record.fields);
    const payload = out.begin(this.#output, partitionOf(key, this.#partitions), record.knownAt);
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as RouteField;
      switch (field.from) {
        case "key":
          payload.text(key);
          break;
        case "text":
          payload.text(String(record.fields[field.field]));
          break;
        case "number": {
          const asked = this.#asked[i];
          payload.f64(
            asked === undefined ? readInput(field.input, record.fields) : (asked.value as number),
          );
          break;
        }
        case "encoded":
          payload.f64((this.#encoders[i] as Encode)(record.fields[field.field]));
          break;
        case "time":
          payload.f64(record.eventTime);
          break;
        case "offset":
          payload.f64(record.offset);
          break;
        case "partition":
          payload.f64(record.partition);
          break;
        case "value":
        case "row":
          this.#typed[i]?.(payload, record.fields);
          break;
        case "byte":
          payload.u8(field.value);
          break;
      }
    }
    return out.end(record);
  }

  /**
   * Has a record refused in place of a payload.
   *
   * @param isMade - whether its fields are those of the payload; else the key is not known.
   */
  refuse(why: Refusal, isMade: boolean, record: StampedRecord, out: Outbox): void {
    const { fields, knownAt } = record;
    const key = isMade ? this.#readKey(fields) : null;
    const { code, facts } = typeof why === "string" ? { code: why, facts: {} as const } : why;
    const target = key === null ? 0 : partitionOf(key, this.#partitions);
    out.refuse(this.#output, target, { code, facts, key, knownAt, fields, source: record });
  }

  /** One array takes the values of every record. */
  #readKey(record: Readonly<Record<string, unknown>>): string {
    const names = this.#key;
    if (names.length === 1) return String(record[names[0] as string]);
    for (let i = 0; i < names.length; i++) this.#values[i] = record[names[i] as string];
    return entityKey(this.#values);
  }
}
