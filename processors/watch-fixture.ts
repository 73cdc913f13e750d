import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { readRetrainRequest, writeJson } from "../schemas/json-payload.ts";
import type { ModelAnswer } from "../schemas/payload.ts";
import type { WatchSpec } from "../schemas/steps/watch.ts";
import {
  drive,
  type LoopRecord,
  loopPlan,
  modelAnswer,
  operatorOf,
  partOf,
  RecordingOutbox,
} from "./loop-fixture.ts";
import { WatchProcessor } from "./watch.ts";

/**
 * A prediction as a watch is told of it.
 *
 * @param challenges - of a routed step: whether a challenger made it.
 */
export function prediction(
  id: string,
  knownAt: number,
  version = "",
  vector = [0, 0, 0, 0, 0],
  challenges?: boolean,
) {
  return {
    input: "predictions",
    knownAt,
    write: (out: ByteWriter) => {
      out.text(id);
      out.text(version);
      out.f64(0.5);
      for (const value of vector) out.f64(value);
      if (challenges !== undefined) out.u8(challenges ? 1 : 0);
    },
  };
}

export function outcome(
  predictedAt: number,
  knownAt: number,
  label: number,
  version = "",
  probability = 0.5,
  id = "1",
  challenges?: boolean,
): LoopRecord {
  return {
    input: "outcomes",
    knownAt,
    write: (out) => {
      out.text(id);
      out.f64(predictedAt);
      out.text(version);
      out.f64(probability);
      out.f64(label);
      if (challenges !== undefined) out.u8(challenges ? 1 : 0);
    },
  };
}

export function answer(knownAt: number, of: Partial<ModelAnswer>): LoopRecord {
  return {
    input: "models",
    knownAt,
    write: (out) => writeJson(out, modelAnswer({ effectiveFrom: knownAt, ...of })),
  };
}

/** A label known at each of `instants`. */
export const labels = (instants: readonly number[]) => instants.map((at) => outcome(at - 1, at, 1));

/** Runs a watch, restoring it from a snapshot after every `restoreEvery` calls. */
export function run(
  watch: Partial<WatchSpec>,
  records: readonly LoopRecord[],
  until: number,
  restoreEvery = 0,
  isRouted = false,
) {
  const plan = loopPlan(watch);
  const part = partOf(plan, "retraining");
  const operator = { ...operatorOf(part, "watch"), ...(isRouted && { routed: true as const }) };
  let processor = new WatchProcessor(operator, part);
  const out = new RecordingOutbox();
  let calls = 0;
  drive(
    part,
    records,
    until,
    () => processor,
    out,
    () => {
      if (restoreEvery === 0 || ++calls % restoreEvery !== 0) return;
      const snapshot = new ByteWriter();
      processor.snapshot(snapshot);
      processor = new WatchProcessor(operator, part);
      processor.restore(new ByteReader(snapshot.take()));
    },
  );
  const requests = out.written
    .filter(({ output }) => output === 2)
    .map(({ bytes }) => readRetrainRequest(new ByteReader(bytes as Buffer)));
  const drift = out.written
    .filter(({ output }) => output === 0)
    .map(({ value }) => value as Record<string, unknown>);
  return { requests, drift, asked: requests.map(({ cutoff, reasons }) => [cutoff, ...reasons]) };
}
