import type { Outbox } from "../../processors/processor.ts";
import { TriggerInput } from "../../processors/scoring/trigger-input.ts";
import { FanOut } from "../../processors/source/fan-out.ts";
import {
  allTextsLimitBytes,
  keyLimitBytes,
  textLimitBytes,
} from "../../processors/source/record-bounds.ts";
import type { Refusal } from "../../processors/source/routes.ts";
import { LookupInput } from "../../processors/view/lookup-input.ts";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { fieldsOfCondition } from "../../schemas/condition-sql.ts";
import { errorMessage } from "../../schemas/errors.ts";
import { ClosureFailure } from "../../schemas/expression.ts";
import type { RouteField, RouteSpec } from "../../schemas/route.ts";
import {
  copiedThrough,
  readThrough,
  type TransformSpec,
  through,
} from "../../schemas/transforms/through.ts";
import { EventMisfit } from "../ingest/event-record.ts";
import { type AskedField, askedFields, type RecordFields, recordReader } from "./record-reader.ts";
import type { StepOrigin } from "./step-origin.ts";

/** A record that is to be scored, as the tasks of its step would be told of it. */
export interface AskedRecord {
  readonly id: string;
  readonly eventTime: number;
  /** By slot the entity that is looked up. */
  readonly entities: readonly string[];
  /** Payload of its trigger. */
  readonly trigger: Buffer;
  /** Fields of it that rules read; null: they read none. */
  readonly row: Readonly<Record<string, unknown>> | null;
}

/**
 * Makes of a record in JSON what the source's task makes of one in Kafka, with the same code: what
 * it goes through, the questions to the views, and the features that it brings itself.
 */
export class StepRequest {
  /** Topic of the source whose records it is asked about. */
  readonly source: string;
  /** Fields of these records. */
  readonly fields: readonly AskedField[];
  /** By look-up how many features it brings; those of the record follow them. */
  readonly widths: readonly number[];
  readonly #read: (value: unknown, now: number) => RecordFields;
  readonly #before: (record: RecordFields) => Readonly<Record<string, unknown>> | null;
  readonly #fanOut: FanOut;
  readonly #timeField: string;
  readonly #captured: Captured;
  readonly #input: TriggerInput;
  readonly #lookup = new LookupInput();

  constructor({ source, before, routes, ports, trigger, operator }: StepOrigin) {
    const { scoring } = operator;
    const own = routes.map(({ fields, ...route }) => {
      // What other steps are told of a prediction is no part of it; it stands before what is read.
      const first = fields.findIndex(({ from }) => from === "row");
      const keys = scoring.keys === undefined ? -1 : first;
      return { ...route, fields: fields.filter((_, index) => index !== keys) };
    });
    const all = [...before, ...(scoring.through ?? [])];
    const idField = copiedThrough(all, scoring.keyField);
    const needed = neededFields(own, scoring.keyField, all, idField);
    this.source = source.topic;
    this.widths = operator.widths;
    this.fields = askedFields(source, needed, idField);
    this.#read = recordReader(source, needed, idField);
    this.#before = through(before);
    this.#fanOut = new FanOut(own, ports, []);
    this.#timeField = source.timeField;
    this.#captured = new Captured(trigger);
    this.#input = new TriggerInput({ ...operator, scoring: withoutKeys(scoring) });
  }

  /**
   * Reads a record; null where the stream leaves it out.
   *
   * @throws {EventMisfit} saying what is wrong with it.
   */
  read(value: unknown, now: number): AskedRecord | null {
    const record = this.#read(value, now);
    const fields = this.#passed(record);
    if (fields === null) return null;
    const refusal = this.#fanOut.judge(fields);
    if (refusal !== null) throw misfit(refusal);
    const eventTime = Number(record[this.#timeField]);
    const stamped = { fields, eventTime, knownAt: now, partition: 0, offset: 0 };
    this.#captured.open();
    this.#fanOut.write(stamped, this.#captured);
    const { trigger, lookups } = this.#captured;
    if (trigger === null) return null;
    const entities: string[] = [];
    for (const payload of lookups) {
      this.#lookup.open(new ByteReader(payload));
      entities[this.#lookup.slot()] = this.#lookup.key();
    }
    this.#input.open(new ByteReader(trigger));
    return { id: this.#input.id(), eventTime, entities, trigger, row: this.#input.row() };
  }

  #passed(record: RecordFields): Readonly<Record<string, unknown>> | null {
    try {
      return this.#before(record);
    } catch (error) {
      throw error instanceof ClosureFailure ? misfit(error) : error;
    }
  }

  /** Copies the features that a record brings itself. */
  copyRequest({ trigger }: AskedRecord, target: Float64Array, at: number): void {
    this.#input.open(new ByteReader(trigger));
    this.#input.copyRequest(target, at);
  }
}

function misfit(refusal: Refusal): EventMisfit {
  const limits = { keyLimitBytes, textLimitBytes, allTextsLimitBytes };
  const isBound = typeof refusal === "string";
  return new EventMisfit(
    errorMessage(isBound ? refusal : refusal.code, isBound ? limits : refusal.facts),
  );
}

function withoutKeys<Spec extends { readonly keys?: unknown }>({ keys: _, ...rest }: Spec) {
  return rest;
}

/** Fields of the source that the score depends on; one too many where closures or names hide it. */
function neededFields(
  routes: readonly RouteSpec[],
  keyField: string,
  specs: readonly TransformSpec[],
  idField: string | null,
): ReadonlySet<string> {
  const asked = routes.flatMap(({ key, fields }) => [...key, ...fields.flatMap(fieldsOf)]);
  const names = asked.filter((name) => name !== keyField || idField === null);
  const copied = names.flatMap((name) => copiedThrough(specs, name) ?? []);
  return new Set([...readThrough(specs), ...copied]);
}

function fieldsOf(field: RouteField): readonly string[] {
  if (field.from === "text" || field.from === "encoded") return [field.field];
  if (field.from === "row") return field.layout.fields.map(({ name }) => name);
  if (field.from !== "number" && field.from !== "value") return [];
  const { field: name, condition, where } = field.input;
  const conditions = [condition, where].flatMap((each) => (each ? fieldsOfCondition(each) : []));
  return name === undefined ? conditions : [name, ...conditions];
}

/** Takes what is written for a record, in place of the topics. */
class Captured implements Outbox {
  readonly #trigger: number;
  readonly #writer = new ByteWriter();
  #output = 0;
  trigger: Buffer | null = null;
  lookups: Buffer[] = [];

  constructor(trigger: number) {
    this.#trigger = trigger;
  }

  /** Forgets the record before. */
  open(): void {
    this.trigger = null;
    this.lookups = [];
  }

  begin(output: number): ByteWriter {
    this.#output = output;
    this.#writer.reset();
    return this.#writer;
  }

  end(): boolean {
    const payload = this.#writer.take();
    if (this.#output === this.#trigger) this.trigger = payload;
    else this.lookups.push(payload);
    return true;
  }

  beginRow(): never {
    throw new RangeError("a record that is to be scored makes no rows");
  }

  refuse(): never {
    throw new RangeError("a record is judged before it is written");
  }

  publish(): never {
    throw new RangeError("a record that is to be scored makes no records");
  }
}
