import assert from "node:assert/strict";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { writeJson } from "../schemas/json-payload.ts";
import {
  drive,
  type LoopRecord,
  loopPlan,
  modelAnswer,
  partOf,
  RecordingOutbox,
  scoringOperator,
  settleBy,
} from "./loop-fixture.ts";
import { ScoringProcessor } from "./scoring.ts";

const plan = loopPlan();
export const part = partOf(plan, "predictions");
export const make = () => new ScoringProcessor(scoringOperator, part);

export interface Prediction {
  readonly flightId: number;
  readonly knownAt: number;
  readonly probability: number;
  readonly version: string | null;
  readonly featuresAsOf: number | null;
  readonly features: Record<string, number | null>;
}
export interface Outcome {
  readonly flightId: number;
  readonly predictedAt: number;
  readonly knownAt: number;
  readonly label: boolean | null;
  readonly probability: number;
}

/** Look-up answers and their trigger; the features are made of the id and the instant. */
export function departure(id: number, knownAt: number, writer = 0): LoopRecord[] {
  const answer = (slot: number): LoopRecord => ({
    input: "answers:delays@1",
    knownAt,
    write: (out) => {
      out.text(String(id));
      out.u8(slot);
      out.u8(0);
      out.f64(slot === 0 ? knownAt - 1 : Number.NEGATIVE_INFINITY);
      out.f64(id + slot);
      out.f64(slot === 0 ? knownAt : Number.NaN);
    },
  });
  const trigger: LoopRecord = {
    input: "triggers",
    knownAt,
    writer,
    write: (out) => {
      out.text(String(id));
      out.f64(knownAt - 2);
      out.f64(77);
      out.f64(12);
    },
  };
  return [answer(0), answer(1), trigger];
}

export function arrival(id: number, knownAt: number, label: number, writer = 0): LoopRecord {
  return {
    input: "labels",
    knownAt,
    writer,
    write: (out) => {
      out.text(String(id));
      out.f64(knownAt - 1);
      out.f64(label);
    },
  };
}

export function model(version: string, knownAt: number, promoted = true): LoopRecord {
  return {
    input: "models",
    knownAt,
    write: (out) => writeJson(out, modelAnswer({ version, promoted, effectiveFrom: knownAt })),
  };
}

export const score = (vector: Float64Array, version: string) =>
  ((vector[0] as number) % 7) / 10 + Number(version.slice(1)) / 1000;

/** Runs the records, settling (and, at random, restoring from a snapshot) as `chance` says. */
export function run(records: readonly LoopRecord[], until: number, chance: () => number = () => 0) {
  let processor = make();
  const out = new RecordingOutbox();
  const settle = () => settleBy(processor, out, score);
  drive(
    part,
    records,
    until,
    () => processor,
    out,
    () => {
      const drawn = chance();
      if (drawn < 0.6) settle();
      if (drawn >= 0.1) return;
      const snapshot = new ByteWriter();
      processor.snapshot(snapshot);
      processor = make();
      processor.restore(new ByteReader(snapshot.take()));
      const again = new ByteWriter();
      processor.snapshot(again);
      assert.deepEqual(again.take(), snapshot.take());
    },
  );
  settle();
  const published = <Value>(output: number) =>
    out.written.filter((each) => each.output === output).map(({ value }) => value as Value);
  return {
    predictions: published<Prediction>(0),
    outcomes: published<Outcome>(1),
    written: out.written,
    counters: processor.counters,
    processor,
  };
}

export const tally = (result: ReturnType<typeof run>, branch: string, partition = 0) => {
  const counted = result.counters.get(branch)?.[partition];
  return [counted?.processed ?? 0, counted?.filtered ?? 0];
};
