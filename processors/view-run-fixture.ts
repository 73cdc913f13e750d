import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { aggregateInputs, type FeatureViewSpec, partAggregates } from "../schemas/feature-view.ts";
import type { Ports } from "../schemas/plan.ts";
import { type FeatureRow, readRow } from "../schemas/row.ts";
import { valueCodec } from "../schemas/row-codec.ts";
import { readInput, readValue } from "./aggregate/read-input.ts";
import { aggregateKind } from "./aggregate/registry.ts";
import { sampleAggregates } from "./aggregate/samples-fixture.ts";
import { type Event, type Row, rounded } from "./naive-view-fixture.ts";
import { type RecordingOutbox, readerOf, type Written } from "./outbox-fixture.ts";
import { ViewProcessor } from "./view.ts";

/** A view with two aggregates of each kind over one number: of all events and of some. */
export const allKinds: Omit<FeatureViewSpec, "windows" | "exactLimit"> = {
  name: "delays",
  version: 1,
  source: "arrivals",
  keyFields: ["airport"],
  aggregates: Object.entries(sampleAggregates("delay", 2, 5)).map(([name, definition]) => {
    const { output } = aggregateKind(definition.kind);
    return { name, output: output === "value" ? "number" : output, ...definition };
  }),
  ttlMs: 1_000,
  stores: ["online"],
};

/** Only what a view processor reads of its ports. */
const ports = {
  name: "delays@1",
  inputs: [
    { name: "lookups:p", role: "lookup", from: "departures", channels: "all" },
    { name: "updates", role: "update", from: "arrivals", channels: "all" },
  ],
  outputs: [
    { kind: "inbox", to: "p", partitions: 4, triggers: ["lookups:p"] },
    { kind: "rows", topic: "t.delays.rows", view: "delays@1" },
  ],
} as unknown as Ports;

export function viewProcessor(view: FeatureViewSpec): ViewProcessor {
  return new ViewProcessor(view, ports);
}

export type Step =
  | { readonly kind: "update"; readonly event: Event }
  | { readonly kind: "lookup"; readonly key: string; readonly knownAt: number };

export function timeOf(step: Step): number {
  return step.kind === "update" ? step.event.knownAt : step.knownAt;
}

/** Runs a processor as the merge would: look-ups, then timers, then updates of an instant. */
export function run(
  processor: ViewProcessor,
  steps: readonly Step[],
  out: RecordingOutbox,
  { aggregates }: Pick<FeatureViewSpec, "aggregates"> = allKinds,
): void {
  const { numbers, values } = partAggregates(aggregates);
  const writer = new ByteWriter();
  for (const step of steps) {
    const isUpdate = step.kind === "update";
    const instant = timeOf(step);
    fireUpTo(processor, isUpdate ? instant : instant - 1, out);
    writer.reset();
    if (isUpdate) {
      const { key, eventTime, delay, others } = step.event;
      writer.text(key);
      writer.f64(eventTime);
      for (const input of aggregateInputs(numbers).inputs) {
        writer.f64(readInput(input, { delay, ...others }));
      }
      for (const input of aggregateInputs(values).inputs) {
        const codec = valueCodec({ type: input.type ?? "number", nullable: true });
        codec.write(writer, readValue(input, { delay, ...others }));
      }
    } else {
      writer.text(step.key);
      writer.u8(3);
      writer.text("id-7");
    }
    const payload = new ByteReader(writer.take());
    processor.process(isUpdate ? 1 : 0, 2, instant, payload, out);
  }
}

export function fireUpTo(processor: ViewProcessor, instant: number, out: RecordingOutbox): void {
  while (processor.nextTimer() <= instant) processor.onTimer(processor.nextTimer(), out);
}

/** The rows that were written, and whether each was served from tiles. */
export function servedRowsOf(
  out: RecordingOutbox,
): { readonly served: number; readonly row: Row }[] {
  return out.written.filter(({ output }) => output === 1).map(rowOf);
}

function rowOf(written: Written): { served: number; row: Row } {
  const read: FeatureRow = {
    served: 9,
    asOf: 0,
    seq: 0,
    validUntil: 0,
    values: new Float64Array(),
  };
  readRow(readerOf(written), read);
  const { served, asOf, seq, validUntil } = read;
  const values = Array.from(read.values, rounded);
  return { served, row: { key: written.key, asOf, seq, validUntil, values } };
}

/** The answers that were given: their values, and the asOf that they name. */
export function answersOf(
  out: RecordingOutbox,
): { knownAt: number; asOf: number; values: number[] }[] {
  return out.written
    .filter(({ output }) => output === 0)
    .map((written) => {
      const reader = readerOf(written);
      reader.text();
      reader.u8();
      reader.u8();
      const asOf = reader.f64();
      const values: number[] = [];
      while (!reader.done) values.push(rounded(reader.f64()));
      return { knownAt: written.knownAt, asOf, values };
    });
}

export function snapshotOf(processor: ViewProcessor): Buffer {
  const writer = new ByteWriter();
  processor.snapshot(writer);
  return writer.take();
}
