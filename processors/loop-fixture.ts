import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import type { FeatureViewSpec } from "../schemas/feature-view.ts";
import type { ModelAnswer } from "../schemas/payload.ts";
import {
  type AvroSchema,
  type OperatorKind,
  type OperatorSpec,
  type OperatorSpecs,
  type OutputSpec,
  type Plan,
  ranks,
  type Subtopology,
  timerRank,
} from "../schemas/plan.ts";
import type { LabelSpec } from "../schemas/steps/label.ts";
import type { ScoringOperator, ScoringSpec } from "../schemas/steps/scoring.ts";
import type { TrainingSpec } from "../schemas/steps/training.ts";
import type { WatchSpec } from "../schemas/steps/watch.ts";
import type { Outbox, Processor } from "./processor.ts";
import { isScoreWork, rowStates } from "./scoring/score-work.ts";

/** The label step's `within` in the plan below. */
export const withinMs = 100;

const schema: AvroSchema = { type: "record", name: "Any", fields: [] };

const view: FeatureViewSpec = {
  name: "delays",
  version: 1,
  source: "arrivals",
  keyFields: ["origin"],
  aggregates: [{ name: "flights", kind: "count", output: "count" }],
  windows: [
    { label: "1h", lengthMs: 10 },
    { label: "3h", lengthMs: 30 },
  ],
  ttlMs: 1_000,
  exactLimit: 4_096,
  stores: ["online"],
};

const scoring: ScoringSpec = {
  name: "predictions",
  source: "departures",
  keyField: "flightId",
  keyType: "long",
  lookups: [
    { slot: "origin", view: "delays@1", keyFields: ["origin"] },
    { slot: "inbound", view: "delays@1", keyFields: ["destination"] },
  ],
  request: [{ name: "hour", field: "hour", calendar: true }],
  features: [
    "origin_flights_1h",
    "origin_flights_3h",
    "inbound_flights_1h",
    "inbound_flights_3h",
  ].concat("hour"),
  model: { name: "late", alias: "champion" },
  deadlineMs: 20,
  fallback: { kind: "prior", value: 0.25 },
  topic: "t.predictions",
  stores: ["offline"],
};

const labels: LabelSpec = {
  name: "outcomes",
  predictions: "predictions",
  source: "arrivals",
  keyField: "flightId",
  withinMs,
  unlabelled: "unknown",
  label: { op: "gt", field: "delay", value: 15 },
  topic: "t.outcomes",
  stores: ["offline"],
};

const watching: WatchSpec = {
  name: "retraining",
  outcomes: "outcomes",
  detectors: [],
  triggers: [],
  cooldownMs: 0,
  driftTopic: "t.drift",
  requestTopic: "t.retrain-requests",
};

export const scoringOperator: ScoringOperator = { scoring, label: labels, widths: [2, 2] };

const training: TrainingSpec = {
  name: "training",
  watch: "retraining",
  algorithm: { kind: "logistic-regression", seed: 1 },
  overMs: 1_000,
  trainingTimeMs: 60,
  promoteWhen: { kind: "better" },
};

const inbox = (to: string, input: string): OutputSpec => ({
  kind: "inbox",
  to,
  partitions: 1,
  input,
  fanOut: "every",
  triggers: [],
  timers: false,
  lookAheadMs: 0,
});

const topic = (name: string): OutputSpec => ({
  kind: "topic",
  topic: name,
  schema,
  partitioning: "same",
});

const subtopology = (
  name: string,
  operator: OperatorSpec,
  inputs: Subtopology["inputs"],
  outputs: readonly OutputSpec[],
): Subtopology => ({
  name,
  operator,
  partitions: 1,
  inbox: `t.${name}.inbox`,
  changelog: `t.${name}.changelog`,
  inputs,
  outputs,
});

/** A small plan with two look-ups in one view, a label step, a watch and a training. */
export function loopPlan(watch: Partial<WatchSpec> = {}): Plan {
  const scoringTasks = subtopology(
    "predictions",
    { kind: "scoring", spec: scoringOperator },
    [
      { name: "answers:delays@1", role: "answer", from: "delays@1", channels: "all" },
      { name: "triggers", role: "trigger", from: "departures", channels: "same" },
      { name: "labels", role: "update", from: "arrivals", channels: "same" },
      { name: "models", role: "update", from: "training", channels: "one" },
    ],
    [
      topic("t.predictions"),
      topic("t.outcomes"),
      inbox("retraining", "predictions"),
      inbox("retraining", "outcomes"),
    ],
  );
  const watchTask = subtopology(
    "retraining",
    {
      kind: "watch",
      spec: { watch: { ...watching, ...watch }, features: scoring.features, withinMs },
    },
    [
      { name: "predictions", role: "trigger", from: "predictions", channels: "all" },
      { name: "outcomes", role: "trigger", from: "predictions", channels: "all" },
      { name: "models", role: "update", from: "training", channels: "one" },
    ],
    [topic("t.drift"), topic("t.retrain-requests"), inbox("training", "requests")],
  );
  const trainingTask = subtopology(
    "training",
    { kind: "training", spec: { training, topology: "t", model: "late" } },
    [{ name: "requests", role: "trigger", from: "retraining", channels: "one" }],
    [topic("t.models"), inbox("predictions", "models"), inbox("retraining", "models")],
  );
  return {
    name: "t",
    partitions: 1,
    guarantee: "exactly-once",
    sources: [],
    steps: [
      { kind: "view", spec: view },
      { kind: "scoring", spec: scoring },
      { kind: "label", spec: labels },
      { kind: "watch", spec: { ...watching, ...watch } },
      { kind: "training", spec: training },
    ],
    accounts: [],
    stored: [],
    subtopologies: [scoringTasks, watchTask, trainingTask],
    topics: [],
    fingerprint: "",
  };
}

/** What the tasks of a subtopology of a kind do. */
export function operatorOf<K extends OperatorKind>(part: Subtopology, kind: K): OperatorSpecs[K] {
  const { operator } = part;
  if (operator.kind !== kind) throw new RangeError(`${part.name} is a ${operator.kind}`);
  return operator.spec as OperatorSpecs[K];
}

/** The subtopology of a name. */
export function partOf(plan: Plan, name: string): Subtopology {
  return plan.subtopologies.find((each) => each.name === name) as Subtopology;
}

/** A promoted answer, but for what is given. */
export function modelAnswer(answer: Partial<ModelAnswer>): ModelAnswer {
  return {
    requestId: "retraining-1",
    version: "v1",
    promoted: true,
    reason: "",
    effectiveFrom: 0,
    cutoff: 0,
    trainedOn: 1,
    heldOut: 1,
    holdoutAuc: 0.7,
    championVersion: null,
    championAuc: null,
    gainLowerBound: null,
    sha256: "a".repeat(64),
    reference: [],
    ...answer,
  };
}

/** One record of a merged sequence. */
export interface LoopRecord {
  readonly input: string;
  readonly knownAt: number;
  readonly writer?: number;
  readonly write: (writer: ByteWriter) => void;
}

/** What a processor wrote, in order. */
export interface Written {
  readonly output: number;
  readonly knownAt: number;
  /** A published value, or the payload's bytes. */
  readonly value: object | null;
  readonly bytes: Buffer | null;
}

/** An outbox that keeps what it is given, and insists that knownAt never falls on an output. */
export class RecordingOutbox implements Outbox {
  written: Written[] = [];
  readonly #writer = new ByteWriter();
  readonly #last = new Map<number, number>();
  #open = { output: 0, knownAt: 0 };

  begin(output: number, _partition: number, knownAt: number): ByteWriter {
    if (knownAt < (this.#last.get(output) ?? Number.NEGATIVE_INFINITY)) {
      throw new RangeError(`knownAt falls on output ${output}`);
    }
    this.#last.set(output, knownAt);
    this.#open = { output, knownAt };
    this.#writer.reset();
    return this.#writer;
  }

  beginRow(output: number, _entityKey: string, knownAt: number): ByteWriter {
    return this.begin(output, 0, knownAt);
  }

  end(): boolean {
    this.written.push({ ...this.#open, value: null, bytes: this.#writer.take() });
    return true;
  }

  refuse(): void {
    throw new RangeError("no record is expected to be out of bounds");
  }

  publish(output: number, _key: string, timestampMs: number, value: object): void {
    this.written.push({ output, knownAt: timestampMs, value, bytes: null });
  }
}

/**
 * Drives a processor through records in merge order (which this sorts them into), timers between
 * them, up to and including timers before `until`.
 *
 * @param between - called after each record and timer, e.g. to settle or to restore.
 */
export function drive(
  part: Subtopology,
  records: readonly LoopRecord[],
  until: number,
  processor: () => Processor,
  out: Outbox,
  between: () => void = () => {},
): void {
  const rankOf = (record: LoopRecord) => {
    const role = part.inputs.find(({ name }) => name === record.input)?.role ?? "update";
    return ranks[role];
  };
  const indexOf = (record: LoopRecord) =>
    part.inputs.findIndex(({ name }) => name === record.input);
  const merged = records
    .slice()
    .sort((a, b) => a.knownAt - b.knownAt || rankOf(a) - rankOf(b) || indexOf(a) - indexOf(b));
  const timersBefore = (knownAt: number, rank: number) => {
    for (;;) {
      const timer = processor().nextTimer();
      if (!(timer < knownAt || (timer === knownAt && timerRank < rank))) return;
      processor().onTimer(timer, out);
      between();
    }
  };
  for (const record of merged) {
    timersBefore(record.knownAt, rankOf(record));
    const writer = new ByteWriter();
    record.write(writer);
    const payload = new ByteReader(writer.take());
    processor().process(indexOf(record), record.writer ?? 0, record.knownAt, payload, out);
    between();
  }
  timersBefore(until, Number.NEGATIVE_INFINITY);
}

/** Takes work and settles it by a function of a row; NaN: the model failed at it. */
export function settleBy(
  processor: Processor,
  out: Outbox,
  score: (vector: Float64Array, version: string) => number,
): void {
  const taken = processor.takeWork?.() ?? null;
  if (taken === null || !isScoreWork(taken)) return;
  const work = taken.payload;
  const n = work.versionOf.length;
  const result = new ByteWriter();
  const failed: boolean[] = [];
  for (const [row, version] of work.versionOf.entries()) {
    const vector = work.rows.subarray(row * work.features, (row + 1) * work.features);
    const probability = score(vector, work.versions[version] as string);
    failed.push(Number.isNaN(probability));
    result.f64(probability);
  }
  for (let row = 0; row < n; row++) result.f64(3);
  for (const each of failed) result.u8(each ? rowStates.failed : rowStates.answered);
  processor.settle?.(new ByteReader(result.take()), out);
}
