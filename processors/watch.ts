import type { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { readModelAnswer, writeJson } from "../schemas/json-payload.ts";
import type { RetrainRequest } from "../schemas/payload.ts";
import type { Ports } from "../schemas/plan.ts";
import type { WatchOperator, WatchSpec } from "../schemas/steps/watch.ts";
import type { Counters, MakeProcessor, Outbox, Processor } from "./processor.ts";
import { alarmOf, type DriftWindow } from "./watch/drift-window.ts";
import { FeatureWindows, readReference, writeReference } from "./watch/feature-windows.ts";
import { PerformanceWindows } from "./watch/performance-windows.ts";
import { Reference } from "./watch/reference.ts";
import { RetrainDecision } from "./watch/retrain-decision.ts";
import { OutcomeInput, PredictionInput } from "./watch/watched-inputs.ts";

/**
 * Watches predictions and outcomes: publishes a result for every closed window of its detectors,
 * and asks for a new model when one of its triggers holds. The champion is what the `models` input
 * promoted last. Timers: the end of each open window, and `every`.
 */
export class WatchProcessor implements Processor {
  readonly counters: Counters = new Map();
  readonly #watch: WatchSpec;
  readonly #features: readonly string[];
  readonly #featureWindows: FeatureWindows | null = null;
  readonly #performanceWindows: PerformanceWindows | null = null;
  readonly #decision: RetrainDecision;
  readonly #vector: Float64Array;
  readonly #predictionInput: PredictionInput;
  readonly #outcomeInput: OutcomeInput;
  readonly #predictions: number;
  readonly #outcomes: number;
  readonly #driftOutput: number;
  readonly #requestOutput: number;
  readonly #trainingOutputs: readonly number[];
  #champion: Reference | null = null;

  constructor({ watch, features, withinMs, routed }: WatchOperator, { inputs, outputs }: Ports) {
    const isRouted = routed === true;
    this.#watch = watch;
    this.#features = features;
    this.#vector = new Float64Array(features.length);
    this.#predictionInput = new PredictionInput(features.length, isRouted);
    this.#outcomeInput = new OutcomeInput(isRouted);
    for (const detector of watch.detectors) {
      if (detector.kind === "features") {
        this.#featureWindows = new FeatureWindows(detector.overMs, features);
      } else {
        const { overMs, floor } = detector;
        this.#performanceWindows = new PerformanceWindows(overMs, floor, withinMs, isRouted);
      }
    }
    this.#predictions = inputs.findIndex(({ name }) => name === "predictions");
    this.#outcomes = inputs.findIndex(({ name }) => name === "outcomes");
    const answered = inputs.some(({ name }) => name === "models");
    this.#decision = new RetrainDecision(watch, answered);
    const topicOutput = (topic: string) =>
      outputs.findIndex((each) => each.kind === "topic" && each.topic === topic);
    this.#driftOutput = topicOutput(watch.driftTopic);
    this.#requestOutput = topicOutput(watch.requestTopic);
    this.#trainingOutputs = outputs.flatMap((each, index) =>
      each.kind === "inbox" && each.input === "requests" ? [index] : [],
    );
  }

  process(input: number, _writer: number, knownAt: number, payload: ByteReader, out: Outbox): void {
    if (input === this.#predictions) this.#prediction(knownAt, payload);
    else if (input === this.#outcomes) this.#outcome(knownAt, payload, out);
    else this.#model(payload);
  }

  nextTimer(): number {
    return Math.min(
      this.#featureWindows?.nextEnd() ?? Number.POSITIVE_INFINITY,
      this.#performanceWindows?.nextEnd() ?? Number.POSITIVE_INFINITY,
      this.#decision.nextEvery(),
    );
  }

  /** Takes everything that is due at the instant, and decides once. */
  onTimer(instant: number, out: Outbox): void {
    const features = this.#featureWindows;
    if (features !== null && features.nextEnd() <= instant) {
      const closed = features.close();
      for (const window of closed) this.#publish(window, instant, out);
      const [first] = closed;
      if (first !== undefined) {
        this.#decision.closed("features", first.windowStart, alarmOf(closed));
      }
    }
    const performance = this.#performanceWindows;
    while (performance !== null && performance.nextEnd() <= instant) {
      this.#performanceClosed(performance.end(), instant, out);
    }
    if (this.#decision.nextEvery() <= instant) this.#decision.everyIsDue();
    this.#decide(instant, out);
  }

  changesState(): boolean {
    return true;
  }

  snapshot(writer: ByteWriter): void {
    writer.u8(this.#champion === null ? 0 : 1);
    if (this.#champion !== null) writeReference(writer, this.#champion);
    this.#decision.snapshot(writer);
    this.#featureWindows?.snapshot(writer);
    this.#performanceWindows?.snapshot(writer);
  }

  restore(reader: ByteReader): void {
    this.#champion = reader.u8() === 0 ? null : readReference(reader, this.#features);
    this.#decision.restore(reader);
    this.#featureWindows?.restore(reader);
    this.#performanceWindows?.restore(reader);
  }

  #prediction(knownAt: number, payload: ByteReader): void {
    this.#decision.seen(knownAt);
    const prediction = this.#predictionInput;
    prediction.open(payload);
    const version = prediction.version();
    const challenges = prediction.challenges();
    this.#performanceWindows?.predicted(knownAt, version, challenges);
    // Of the keys that a challenger has, the champion answers for none.
    if (this.#featureWindows === null || challenges) return;
    const vector = this.#vector;
    prediction.copyFeatures(vector);
    this.#featureWindows.predicted(knownAt, version, vector, this.#champion);
  }

  #outcome(knownAt: number, payload: ByteReader, out: Outbox): void {
    this.#decision.seen(knownAt);
    const outcome = this.#outcomeInput;
    outcome.open(payload);
    const label = outcome.label();
    if (!Number.isNaN(label)) this.#decision.labelled();
    const windows = this.#performanceWindows;
    if (windows !== null) {
      const closed = windows.resolved(
        outcome.predictedAt(),
        outcome.version(),
        outcome.probability(),
        label,
        outcome.challenges(),
      );
      if (closed.length > 0) this.#performanceClosed(closed, knownAt, out);
    }
    this.#decide(knownAt, out);
  }

  #model(payload: ByteReader): void {
    const answer = readModelAnswer(payload);
    this.#decision.answered(answer.requestId);
    if (answer.promoted) {
      this.#champion = new Reference(answer.version, answer.reference, this.#features);
    }
  }

  #performanceClosed(parts: readonly DriftWindow[], knownAt: number, out: Outbox): void {
    for (const part of parts) this.#publish(part, knownAt, out);
    // The newest champion's stands last: it is what a training would replace.
    const last = parts.at(-1);
    if (last !== undefined) this.#decision.closed("performance", last.windowStart, last.alarm);
  }

  #publish(window: DriftWindow, knownAt: number, out: Outbox): void {
    if (this.#driftOutput < 0) return;
    const { name } = this.#watch;
    out.publish(this.#driftOutput, name, knownAt, { watch: name, knownAt, ...window });
  }

  #decide(knownAt: number, out: Outbox): void {
    const request = this.#decision.decide(knownAt, this.#champion !== null);
    if (request !== null) this.#send(request, out);
  }

  #send(request: RetrainRequest, out: Outbox): void {
    const { cutoff } = request;
    if (this.#requestOutput >= 0) out.publish(this.#requestOutput, request.id, cutoff, request);
    for (const output of this.#trainingOutputs) {
      writeJson(out.begin(output, 0, cutoff), request);
      out.end();
    }
  }
}

export const watch: MakeProcessor<WatchOperator> = (spec, ports) => new WatchProcessor(spec, ports);
