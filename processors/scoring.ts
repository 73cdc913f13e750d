import type { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { readModelAnswer } from "../schemas/json-payload.ts";
import type { LabelSpec, Ports, ScoringOperator, ScoringSpec } from "../schemas/plan.ts";
import { readCounters, tallyOf, writeCounters } from "./branch-tally.ts";
import type { Counters, ExternalWork, Outbox, Processor } from "./processor.ts";
import { FeatureAssembly } from "./scoring/feature-assembly.ts";
import { type EarlyLabel, LabelJoin, type Prediction } from "./scoring/label-join.ts";
import {
  type DeferredOutcome,
  type DeferredPrediction,
  ScoringOutputs,
} from "./scoring/outputs.ts";
import { type ScoreWork, scoreService } from "./scoring/score-work.ts";
import { VectorBuffer } from "./scoring/vector-buffer.ts";

type Deferred = DeferredPrediction | DeferredOutcome;

/**
 * Scores triggers with the features that look-ups answered, and joins the predictions with labels.
 *
 * A model is in force for triggers known after its effectiveFrom; before the first one, and where a
 * model did not answer in time, the declared fallback answers. Everything that this processor has
 * to say waits in one ordered list until the model has answered, and is written by `settle`. A key
 * is unique within the label step's `within`, its end included: another trigger of it is filtered
 * before scoring. Without a label step no such time is declared and every trigger is scored.
 *
 * Counters: the scoring step by partition of the triggers (processed, filtered as duplicate); the
 * label step by partition of the labels (processed when it joins; else filtered, which an early
 * label takes back once a prediction claims it).
 */
export class ScoringProcessor implements Processor {
  readonly counters: Counters = new Map();
  readonly #scoring: ScoringSpec;
  readonly #labels: LabelSpec | undefined;
  readonly #assembly: FeatureAssembly;
  readonly #join: LabelJoin | undefined;
  readonly #outputs: ScoringOutputs;
  readonly #answersFrom: readonly boolean[];
  readonly #triggers: number;
  readonly #labelsInput: number;
  #version = "";
  #artifact = "";
  /** Promoted models that are not in force yet, oldest first. */
  #coming: { effectiveFrom: number; version: string; artifact: string }[] = [];
  /** Vectors for the model, and those that the fallback answers. */
  readonly #scored: VectorBuffer;
  readonly #unscored: VectorBuffer;
  #versionOf: number[] = [];
  #sourcePartitions: number[] = [];
  #sourceOffsets: number[] = [];
  #versions: string[] = [];
  #artifacts: string[] = [];
  #deferred: Deferred[] = [];

  /**
   * @param answersMayLack - whether waits for answers may have been ended (live mode); else a
   * missing answer is an error. @default false
   */
  constructor(operator: ScoringOperator, ports: Ports, answersMayLack = false) {
    const { scoring, label } = operator;
    this.#scoring = scoring;
    this.#labels = label ?? undefined;
    this.#assembly = new FeatureAssembly(operator, answersMayLack);
    this.#join = this.#labels === undefined ? undefined : new LabelJoin(this.#labels.withinMs);
    this.#outputs = new ScoringOutputs(ports, scoring, this.#labels);
    this.#answersFrom = ports.inputs.map(({ name }) => name.startsWith("answers:"));
    this.#triggers = ports.inputs.findIndex(({ name }) => name === "triggers");
    this.#labelsInput = ports.inputs.findIndex(({ name }) => name === "labels");
    this.#scored = new VectorBuffer(scoring.features.length);
    this.#unscored = new VectorBuffer(scoring.features.length);
    if (this.#triggers < 0) throw new RangeError(`${ports.name} has no input triggers`);
  }

  process(input: number, writer: number, knownAt: number, payload: ByteReader): void {
    if (this.#answersFrom[input]) {
      this.#assembly.answer(payload.text(), payload);
      return;
    }
    this.#join?.advanceTo(knownAt);
    if (input === this.#triggers) this.#trigger(writer, knownAt, payload);
    else if (input === this.#labelsInput) this.#label(writer, knownAt, payload);
    else this.#model(payload);
  }

  nextTimer(): number {
    return this.#join?.nextDeadline() ?? Number.POSITIVE_INFINITY;
  }

  onTimer(instant: number): void {
    if (this.#join === undefined) return;
    this.#deferOutcome(this.#join.expire(), instant, Number.NaN, Number.NaN);
  }

  takeWork(): ExternalWork<ScoreWork> | null {
    if (this.#deferred.length === 0) return null;
    const { rows, width, values } = this.#scored;
    return {
      service: scoreService,
      payload: {
        versions: this.#versions,
        artifacts: this.#artifacts,
        versionOf: Uint16Array.from(this.#versionOf),
        rows: values.subarray(0, rows * width),
        features: width,
        sourcePartitions: Uint16Array.from(this.#sourcePartitions),
        sourceOffsets: Float64Array.from(this.#sourceOffsets),
      },
    };
  }

  settle(result: ByteReader, out: Outbox): void {
    const rows = this.#scored.rows;
    const probabilities = result.position;
    const latencies = probabilities + rows * 8;
    if (result.end !== latencies + rows * 8) {
      throw new RangeError(
        `${this.#scoring.name}: the result of ${rows} rows has ${result.end - probabilities} bytes`,
      );
    }
    for (const each of this.#deferred) {
      if (each.kind === "outcome") {
        this.#outputs.outcome(each, out);
        continue;
      }
      const scored = each.prediction.version !== "";
      if (scored) {
        result.position = probabilities + each.row * 8;
        this.#answered(each.prediction, result.f64());
        result.position = latencies + each.row * 8;
        each.latencyMs = result.f64();
      }
      this.#outputs.prediction(each, scored ? this.#scored : this.#unscored, out);
    }
    result.position = result.end;
    this.#deferred = [];
    this.#scored.clear();
    this.#unscored.clear();
    this.#versionOf = [];
    this.#sourcePartitions = [];
    this.#sourceOffsets = [];
    this.#versions = [];
    this.#artifacts = [];
  }

  #answered(prediction: Prediction, probability: number): void {
    if (Number.isNaN(probability)) {
      prediction.version = "";
      prediction.probability = this.#scoring.fallback.value;
    } else prediction.probability = probability;
  }

  changesState(): boolean {
    return true;
  }

  snapshot(writer: ByteWriter): void {
    if (this.#deferred.length > 0) throw new RangeError("a snapshot cannot be taken before settle");
    writer.text(this.#version);
    writer.text(this.#artifact);
    writer.u16(this.#coming.length);
    for (const { effectiveFrom, version, artifact } of this.#coming) {
      writer.f64(effectiveFrom);
      writer.text(version);
      writer.text(artifact);
    }
    this.#assembly.snapshot(writer);
    this.#join?.snapshot(writer);
    writeCounters(writer, this.counters);
  }

  restore(reader: ByteReader): void {
    this.#version = reader.text();
    this.#artifact = reader.text();
    this.#coming = Array.from({ length: reader.u16() }, () => ({
      effectiveFrom: reader.f64(),
      version: reader.text(),
      artifact: reader.text(),
    }));
    this.#assembly.restore(reader);
    this.#join?.restore(reader);
    readCounters(reader, this.counters);
  }

  /** Payload: text id, f64 eventTime, f64 source offset, m × f64 request features. */
  #trigger(writer: number, knownAt: number, payload: ByteReader): void {
    const id = payload.text();
    const tally = tallyOf(this.counters, this.#scoring.name, writer);
    if (this.#join?.has(id)) {
      tally.filtered++;
      this.#assembly.drop(id);
      return;
    }
    tally.processed++;
    const eventTime = payload.f64();
    const sourceOffset = payload.f64();
    if (this.#coming.length > 0) this.#takeOver(knownAt);
    const fallback = this.#version === "";
    const vectors = fallback ? this.#unscored : this.#scored;
    const row = vectors.rows;
    let at = vectors.add();
    const featuresAsOf = this.#assembly.take(id, vectors.values, at);
    at += this.#assembly.width;
    const end = at + this.#scoring.request.length;
    while (at < end) vectors.values[at++] = payload.f64();
    if (!fallback) {
      this.#versionOf.push(this.#versionIndex());
      this.#sourcePartitions.push(writer);
      this.#sourceOffsets.push(sourceOffset);
    }
    const prediction: Prediction = {
      id,
      predictedAt: knownAt,
      version: this.#version,
      probability: fallback ? this.#scoring.fallback.value : Number.NaN,
      open: this.#join !== undefined,
    };
    this.#deferred.push({
      kind: "prediction",
      prediction,
      eventTime,
      sourcePartition: writer,
      sourceOffset,
      featuresAsOf,
      incomplete: this.#assembly.incomplete,
      row,
      latencyMs: 0,
    });
    const early = this.#join?.predict(prediction);
    if (early) this.#claim(early, prediction, knownAt);
  }

  /** Payload: text id, f64 eventTime, f64 label. */
  #label(writer: number, knownAt: number, payload: ByteReader): void {
    if (this.#join === undefined || this.#labels === undefined) return;
    const id = payload.text();
    const eventTime = payload.f64();
    const label = payload.f64();
    const tally = tallyOf(this.counters, this.#labels.name, writer);
    const prediction = Number.isNaN(label)
      ? null
      : this.#join.label({ id, knownAt, eventTime, label, writer, claimed: false });
    if (prediction === null) {
      tally.filtered++;
      return;
    }
    tally.processed++;
    this.#deferOutcome(prediction, knownAt, label, eventTime);
  }

  #claim(early: EarlyLabel, prediction: Prediction, knownAt: number): void {
    const tally = tallyOf(this.counters, this.#labels?.name ?? "", early.writer);
    tally.filtered--;
    tally.processed++;
    this.#deferOutcome(prediction, knownAt, early.label, early.eventTime);
  }

  #model(payload: ByteReader): void {
    const { promoted, effectiveFrom, version, sha256 } = readModelAnswer(payload);
    if (promoted) this.#coming.push({ effectiveFrom, version, artifact: sha256 });
  }

  /** Brings into force what is effective before `knownAt`. */
  #takeOver(knownAt: number): void {
    let next = this.#coming[0];
    while (next !== undefined && next.effectiveFrom < knownAt) {
      this.#version = next.version;
      this.#artifact = next.artifact;
      this.#coming.shift();
      next = this.#coming[0];
    }
  }

  #versionIndex(): number {
    const last = this.#versions.length - 1;
    if (last >= 0 && this.#versions[last] === this.#version) return last;
    this.#versions.push(this.#version);
    this.#artifacts.push(this.#artifact);
    return last + 1;
  }

  #deferOutcome(
    prediction: Prediction,
    knownAt: number,
    label: number,
    labelEventTime: number,
  ): void {
    this.#deferred.push({ kind: "outcome", prediction, knownAt, label, labelEventTime });
  }
}
