import type { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { recordInput } from "../schemas/input-payloads.ts";
import { PayloadView, type Place } from "../schemas/payload-view.ts";
import type { OperatorSpecs, Ports } from "../schemas/plan.ts";
import type { DedupOperator } from "../schemas/steps/dedup.ts";
import { readCounters, tallyOf, writeCounters } from "./branch-tally.ts";
import { PassedValues } from "./dedup/passed-values.ts";
import type { Counters, MakeProcessor, Outbox, Processor } from "./processor.ts";
import { FanOut } from "./source/fan-out.ts";
import type { StampedRecord } from "./source/routes.ts";

/**
 * Passes on the first record of each value: a record is a duplicate where the event time of one of
 * its value that was passed on is at most `within` before or after its own.
 *
 * Counters: its own branch by source partition (processed, duplicates); those behind it by its own
 * partition, `in`, `excluded` and `deadLettered`, as a source counts them.
 */
export class DedupProcessor implements Processor {
  readonly counters: Counters = new Map();
  readonly #name: string;
  readonly #partition: number;
  readonly #input: PayloadView;
  readonly #value: Place;
  readonly #time: Place;
  readonly #sourcePartition: Place;
  readonly #sourceOffset: Place;
  readonly #passed: PassedValues;
  readonly #fanOut: FanOut;
  readonly #record: StampedRecord = {
    fields: {},
    eventTime: 0,
    knownAt: 0,
    partition: 0,
    offset: 0,
  };

  constructor({ dedup, routes }: OperatorSpecs["dedup"], ports: Ports, partition: number) {
    this.#name = dedup.name;
    this.#partition = partition;
    const input = new PayloadView(recordInput(dedup.layout).layout);
    this.#input = input;
    this.#value = input.place("value");
    this.#time = input.place("eventTime");
    this.#sourcePartition = input.place("partition");
    this.#sourceOffset = input.place("offset");
    this.#passed = new PassedValues(dedup.withinMs, dedup.latenessMs);
    this.#fanOut = new FanOut(routes, ports, []);
    this.#fanOut.findTallies(this.counters, partition);
  }

  process(_: number, writer: number, knownAt: number, payload: ByteReader, out: Outbox): void {
    const input = this.#input;
    input.open(payload);
    const value = input.text(this.#value);
    const eventTime = input.number(this.#time);
    const tally = tallyOf(this.counters, this.#name, writer);
    this.#passed.advanceTo(knownAt);
    if (this.#passed.isNear(value, eventTime)) {
      tally.duplicates++;
      return;
    }
    this.#passed.add(value, eventTime, knownAt);
    tally.processed++;
    const record = this.#record;
    record.eventTime = eventTime;
    record.knownAt = knownAt;
    record.partition = input.number(this.#sourcePartition);
    record.offset = input.number(this.#sourceOffset);
    this.#fanOut.pass(input.row(), record, out);
  }

  get keys(): number {
    return this.#passed.size;
  }

  nextTimer(): number {
    return Number.POSITIVE_INFINITY;
  }

  onTimer(): void {
    throw new RangeError(`${this.#name} has no timers`);
  }

  changesState(): boolean {
    return true;
  }

  snapshot(writer: ByteWriter): void {
    this.#passed.snapshot(writer);
    writeCounters(writer, this.counters);
  }

  restore(reader: ByteReader): void {
    this.#passed.restore(reader);
    readCounters(reader, this.counters);
    this.#fanOut.findTallies(this.counters, this.#partition);
  }
}

export const dedup: MakeProcessor<DedupOperator> = (spec, ports, { partition }) =>
  new DedupProcessor(spec, ports, partition);
