import type { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { readModelAnswer } from "../schemas/json-payload.ts";
import type { Ports } from "../schemas/plan.ts";
import type { LabelSpec } from "../schemas/steps/label.ts";
import { toldFields } from "../schemas/steps/rules.ts";
import type { ScoringOperator, ScoringSpec } from "../schemas/steps/scoring.ts";
import { readCounters, tallyOf, writeCounters } from "./branch-tally.ts";
import type { Spill } from "./local-store.ts";
import type { Counters, ExternalWork, MakeProcessor, Outbox, Processor } from "./processor.ts";
import { Answers } from "./scoring/answers.ts";
import type { ExplainWork } from "./scoring/explain-work.ts";
import { ExplainedAnswers } from "./scoring/explained-answers.ts";
import { FeatureAssembly } from "./scoring/feature-assembly.ts";
import { Judge } from "./scoring/judge.ts";
import { LabelInput } from "./scoring/label-input.ts";
import { type EarlyLabel, LabelJoin, type Prediction } from "./scoring/label-join.ts";
import { readNews } from "./scoring/model-news.ts";
import { ModelRegister } from "./scoring/model-register.ts";
import {
  type DeferredOutcome,
  type DeferredPrediction,
  ScoringOutputs,
} from "./scoring/outputs.ts";
import { PredictedIds } from "./scoring/predicted-ids.ts";
import { type Routed, Router, toldOf } from "./scoring/router.ts";
import { RowResults } from "./scoring/row-results.ts";
import type { ScoreWork } from "./scoring/score-work.ts";
import { keyPaths, TriggerInput } from "./scoring/trigger-input.ts";
import { VectorBuffer } from "./scoring/vector-buffer.ts";

type Deferred = DeferredPrediction | DeferredOutcome;

/**
 * Scores triggers with the features that look-ups answered, and joins the predictions with labels.
 *
 * A model is in force for triggers known after its effectiveFrom; before the first one, and where a
 * model did not answer, the declared fallback answers. Everything that this processor has to say
 * waits in one ordered list until the model has answered, and is written by `settle`; where the
 * step explains, once more until the answers are explained, which no deadline bounds. A key is
 * unique within the label step's `within`: another trigger of it is filtered before scoring.
 * Without a label step no such time is declared and every trigger is scored.
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
  readonly #triggerInput: TriggerInput;
  readonly #labelInput: LabelInput | undefined;
  readonly #models: ModelRegister;
  readonly #judge: Judge;
  /** Null: the champion answers all. */
  readonly #router: Router | null;
  /** With a label step. */
  readonly #predicted: PredictedIds | undefined;
  /** Rows for the models, and vectors that the fallback answers. */
  readonly #scored: Answers;
  readonly #unscored: VectorBuffer;
  /** Null: what models say is not explained. */
  readonly #explained: ExplainedAnswers | null;
  /** Whether it waits for explanations; nothing else is asked for meanwhile. */
  #isExplaining = false;
  #deferred: Deferred[] = [];
  /** Whether it has heard which champions were named before its first record. */
  #informed = false;
  #asksNews = true;
  /** Whether deferred rows wait for another round. */
  #again = false;
  /** Newest known time of a trigger. */
  #knownAt = Number.NEGATIVE_INFINITY;

  /**
   * @param answersMayLack - whether waits for answers may have been ended (live mode); else a
   * missing answer is an error. @default false
   * @param spill - for what the label step keeps. @default all of it stays in memory
   */
  constructor(
    operator: ScoringOperator,
    ports: Ports,
    answersMayLack = false,
    partition = 0,
    spill: Spill | null = null,
  ) {
    const { scoring, label } = operator;
    this.#scoring = scoring;
    this.#labels = label ?? undefined;
    this.#triggerInput = new TriggerInput(operator);
    this.#labelInput = label === null ? undefined : new LabelInput(label);
    this.#assembly = new FeatureAssembly(operator, answersMayLack);
    const withinMs = this.#labels?.withinMs;
    this.#judge = new Judge(scoring);
    this.#router = scoring.routing === undefined ? null : new Router(scoring.routing);
    this.#models = new ModelRegister(this.#router !== null);
    const told = { fields: toldFields(scoring) };
    this.#join =
      withinMs === undefined ? undefined : new LabelJoin(withinMs, spill, keyPaths(scoring), told);
    this.#predicted = withinMs === undefined ? undefined : new PredictedIds(withinMs, spill);
    this.#outputs = new ScoringOutputs(ports, operator, partition);
    this.#outputs.findTallies(this.counters);
    this.#explained =
      scoring.explains === true ? new ExplainedAnswers(scoring, this.#outputs) : null;
    this.#answersFrom = ports.inputs.map(({ name }) => name.startsWith("answers:"));
    this.#triggers = ports.inputs.findIndex(({ name }) => name === "triggers");
    this.#labelsInput = ports.inputs.findIndex(({ name }) => name === "labels");
    this.#scored = new Answers(this.#models, scoring.fallback, scoring.features.length);
    this.#unscored = new VectorBuffer(scoring.features.length);
    if (this.#triggers < 0) throw new RangeError(`${ports.name} has no input triggers`);
  }

  process(input: number, writer: number, knownAt: number, payload: ByteReader): void {
    if (this.#answersFrom[input]) {
      this.#assembly.answer(payload);
      return;
    }
    this.#join?.advanceTo(knownAt);
    this.#predicted?.advanceTo(knownAt);
    if (input === this.#triggers) this.#trigger(writer, knownAt, payload);
    else if (input === this.#labelsInput) this.#label(writer, knownAt, payload);
    else this.#model(payload);
  }

  nextTimer(): number {
    return this.#join?.nextDeadline() ?? Number.POSITIVE_INFINITY;
  }

  onTimer(instant: number): void {
    if (this.#join === undefined) return;
    const label = this.#labels?.unlabelled === "negative" ? 0 : Number.NaN;
    this.#deferOutcome(this.#join.expire(), instant, label, Number.NaN);
  }

  /** Champions that were named come first, whatever the records say; then a round at a time. */
  get asks(): boolean {
    return !this.#informed || this.#again || this.#isExplaining;
  }

  news(): void {
    this.#asksNews = true;
  }

  takeWork(): ExternalWork<ScoreWork | ExplainWork> | null {
    if (this.#isExplaining) return this.#explained?.work() ?? null;
    if (this.#deferred.length === 0 && !this.#asksNews) return null;
    return this.#scored.work({
      putAside: this.#models.takeNews(),
      asksNews: this.#asksNews,
      heard: this.#models.heard,
      knownAt: this.#knownAt,
    });
  }

  settle(result: ByteReader, out: Outbox): void {
    if (this.#isExplaining) {
      this.#isExplaining = false;
      this.#explained?.settle(result, out);
      return;
    }
    const { rows } = this.#scored.vectors;
    const results = new RowResults(result, rows, this.#scoring.name);
    const news = readNews(result);
    for (const each of news ?? []) this.#models.hear(each);
    // What had no time to say them is asked again; without rows there always is time.
    if (news !== null || rows === 0) [this.#informed, this.#asksNews] = [true, false];
    this.#again = false;
    for (const [index, each] of this.#deferred.entries()) {
      if (each.kind === "outcome") this.#sayOutcome(each, out);
      else if (each.prediction.version === "") {
        this.#publish(each, this.#unscored, out);
      } else {
        if (!this.#scored.take(each, results)) {
          this.#askAgain(index);
          break;
        }
        this.#publish(each, this.#scored.vectors, out);
      }
    }
    if (this.#again) return;
    this.#deferred = [];
    this.#scored.clear();
    this.#unscored.clear();
    this.#models.settled();
    this.#join?.trim();
    if (this.#explained?.asks) this.#isExplaining = true;
    else this.#explained?.settle(null, out);
  }

  #sayOutcome(deferred: DeferredOutcome, out: Outbox): void {
    if (this.#explained === null) this.#outputs.outcome(deferred, out);
    else this.#explained.addOutcome(deferred);
  }

  #say(deferred: DeferredPrediction, vectors: VectorBuffer, out: Outbox): void {
    if (this.#explained === null) this.#outputs.prediction(deferred, vectors, out);
    else this.#explained.add(deferred, vectors);
  }

  /** After the rules: an outcome of it has what they made of it, too. */
  #publish(deferred: DeferredPrediction, vectors: VectorBuffer, out: Outbox): void {
    const { prediction, record, row, flags, routed } = deferred;
    if (!this.#judge.judges && routed === null) {
      this.#say(deferred, vectors, out);
      return;
    }
    const { probability: score } = prediction;
    const { values, width } = vectors;
    const route = routed === null ? null : toldOf(routed, prediction.version);
    const at = row * width;
    const { probability, told } = this.#judge.judge(score, record, values, at, flags, route);
    prediction.probability = probability;
    prediction.told = told;
    this.#say(deferred, vectors, out);
  }

  /** From one that is deferred on. */
  #askAgain(from: number): void {
    this.#deferred = this.#deferred.slice(from);
    this.#again = true;
    this.#scored.again(this.#deferred);
  }

  changesState(): boolean {
    return true;
  }

  snapshot(writer: ByteWriter): void {
    if (this.#deferred.length > 0 || this.#isExplaining)
      throw new RangeError("a snapshot cannot be taken before settle");
    this.#models.snapshot(writer);
    writer.f64(this.#knownAt);
    this.#assembly.snapshot(writer);
    this.#predicted?.snapshot(writer);
    this.#join?.snapshot(writer);
    writeCounters(writer, this.counters);
  }

  restore(reader: ByteReader): void {
    this.#models.restore(reader);
    this.#knownAt = reader.f64();
    this.#assembly.restore(reader);
    this.#predicted?.restore(reader);
    this.#join?.restore(reader);
    readCounters(reader, this.counters);
    this.#outputs.findTallies(this.counters);
  }

  #trigger(writer: number, knownAt: number, payload: ByteReader): void {
    const trigger = this.#triggerInput;
    trigger.open(payload);
    const id = trigger.id();
    const tally = tallyOf(this.counters, this.#scoring.name, writer);
    if (this.#predicted?.isDuplicate(id, knownAt)) {
      tally.filtered++;
      this.#assembly.drop(id);
      return;
    }
    tally.processed++;
    const sourceOffset = trigger.offset();
    const sourcePartition = trigger.partition(writer);
    this.#knownAt = knownAt;
    const record = trigger.row();
    const routed = this.#routed(id, knownAt, record);
    const challenger = routed?.assignment.challenger ?? null;
    const { model, why: unasked } = this.#models.asked(knownAt, this.#scoring.fallback, challenger);
    if (routed !== null && challenger !== null && model !== challenger) {
      routed.rerouted = "put aside";
    }
    const vectors = unasked === null ? this.#scored.vectors : this.#unscored;
    let row = vectors.rows;
    const at = vectors.add();
    const featuresAsOf = this.#assembly.take(id, vectors.values, at);
    trigger.copyRequest(vectors.values, at + this.#assembly.width);
    const { flags, refused } = this.#judge.ranged(vectors.values, at);
    const fallbackReason = refused ? "out of range" : unasked;
    if (refused && unasked === null) row = this.#unscored.takeLast(vectors);
    const prediction: Prediction = {
      id,
      predictedAt: knownAt,
      version: fallbackReason === null ? model.version : "",
      probability: fallbackReason === null ? Number.NaN : this.#scoring.fallback.value,
      keys: trigger.keysIn(record),
      told: null,
    };
    const deferred: DeferredPrediction = {
      kind: "prediction",
      prediction,
      eventTime: trigger.eventTime(),
      sourcePartition,
      sourceOffset,
      featuresAsOf,
      incomplete: this.#assembly.incomplete,
      row,
      fallbackReason,
      model: fallbackReason === null ? model : null,
      latencyMs: 0,
      record,
      flags,
      routed,
    };
    this.#scored.ask(deferred);
    this.#deferred.push(deferred);
    this.#predicted?.add(id, knownAt);
    const early = this.#join?.predict(prediction);
    if (early) this.#claim(early, prediction, knownAt);
  }

  /** Who is to answer a record; null: the champion, as the step is not routed. */
  #routed(id: string, knownAt: number, record: DeferredPrediction["record"]): Routed | null {
    if (this.#router === null) return null;
    const champion = this.#models.at(knownAt);
    const routes = this.#models.routesAt(knownAt);
    const assignment = this.#router.assign(routes, champion, id, record);
    const beside = { standby: null, shadow: null, rerouted: null, shadowScore: null };
    return { assignment, champion: champion.version, ...beside };
  }

  #label(writer: number, knownAt: number, payload: ByteReader): void {
    const input = this.#labelInput;
    if (this.#join === undefined || this.#labels === undefined || input === undefined) return;
    input.open(payload);
    const id = input.id();
    const eventTime = input.eventTime();
    const label = input.label();
    const tally = tallyOf(this.counters, this.#labels.name, writer);
    if (Number.isNaN(label)) {
      tally.filtered++;
      return;
    }
    const prediction = this.#join.close(id);
    if (prediction === null) {
      tally.filtered++;
      if (!this.#predicted?.owns(id)) {
        this.#join.keep({ id, knownAt, eventTime, label, writer });
      }
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
    const answer = readModelAnswer(payload);
    if (answer.promoted) this.#models.promote(answer);
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

export const scoring: MakeProcessor<ScoringOperator> = (
  spec,
  ports,
  { waitsMayEnd, partition, spill },
) => new ScoringProcessor(spec, ports, waitsMayEnd, partition, spill);
