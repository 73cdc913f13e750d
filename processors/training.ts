import type { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { readJsonText, readModelAnswer, writeJson } from "../schemas/json-payload.ts";
import type { ModelAnswer, RetrainRequest } from "../schemas/payload.ts";
import type { Ports } from "../schemas/plan.ts";
import type { TrainingOperator, TrainingSpec } from "../schemas/steps/training.ts";
import type { Counters, ExternalWork, MakeProcessor, Outbox, Processor } from "./processor.ts";
import { type Champion, type TrainWork, trainService } from "./train/train-work.ts";

/**
 * Turns each retrain request into one training, and each answer, a failed one too, into a record
 * for every scoring task and the watch at cutoff + trainingTime. It takes effect when the answer
 * says: then in replay, when it came in live mode. Remembers the model that it promoted last, and
 * which champion challengers were compared with, that one or one that somebody named, and how many
 * it has met: the error that the gate may make is spent over them.
 */
export class TrainingProcessor implements Processor {
  readonly counters: Counters = new Map();
  readonly #training: TrainingSpec;
  readonly #of: { readonly topology: string; readonly model: string };
  readonly #topicOutputs: readonly number[];
  readonly #modelOutputs: readonly number[];
  /** JSON of requests that wait for their answers, oldest first; a watch has one in flight. */
  #requests: string[] = [];
  #promoted: Champion | null = null;
  #against = "";
  #looks = 0;

  constructor({ training, topology, model }: TrainingOperator, { outputs }: Ports) {
    this.#training = training;
    this.#of = { topology, model };
    const indexes = outputs.map((_, index) => index);
    this.#topicOutputs = indexes.filter((index) => outputs[index]?.kind === "topic");
    this.#modelOutputs = indexes.filter((index) => outputs[index]?.kind === "inbox");
  }

  process(_input: number, _writer: number, _knownAt: number, payload: ByteReader): void {
    this.#requests.push(readJsonText(payload));
  }

  nextTimer(): number {
    return Number.POSITIVE_INFINITY;
  }

  onTimer(): void {}

  takeWork(): ExternalWork<TrainWork> | null {
    const request = this.#requests[0];
    if (request === undefined) return null;
    const payload = {
      request,
      promoted: this.#promoted,
      against: this.#against,
      looks: this.#looks,
    };
    return { service: trainService, payload };
  }

  settle(result: ByteReader, out: Outbox): void {
    const request = JSON.parse(this.#requests.shift() ?? "null") as RetrainRequest;
    const answer: ModelAnswer = readModelAnswer(result);
    const { version, sha256, effectiveFrom } = answer;
    const knownAt = request.cutoff + this.#training.trainingTimeMs;
    if (answer.promoted) {
      this.#promoted = { version, artifact: sha256, effectiveFrom };
      [this.#against, this.#looks] = [version, 0];
    } else if (answer.gainLowerBound !== null) {
      const champion = answer.championVersion ?? "";
      this.#looks = champion === this.#against ? this.#looks + 1 : 1;
      this.#against = champion;
    }
    const { topology, model } = this.#of;
    for (const output of this.#topicOutputs) {
      out.publish(output, `${topology}/${model}/${version}`, effectiveFrom, {
        ...this.#of,
        ...answer,
        reference: JSON.stringify(answer.reference),
      });
    }
    for (const output of this.#modelOutputs) {
      writeJson(out.begin(output, 0, knownAt), answer);
      out.end();
    }
  }

  changesState(): boolean {
    return true;
  }

  snapshot(writer: ByteWriter): void {
    writer.text(this.#promoted?.version ?? "");
    writer.text(this.#promoted?.artifact ?? "");
    writer.f64(this.#promoted?.effectiveFrom ?? 0);
    writer.text(this.#against);
    writer.u32(this.#looks);
    writer.u16(this.#requests.length);
    for (const request of this.#requests) writer.text(request);
  }

  restore(reader: ByteReader): void {
    const [version, artifact] = [reader.text(), reader.text()];
    const effectiveFrom = reader.f64();
    this.#promoted = version === "" ? null : { version, artifact, effectiveFrom };
    this.#against = reader.text();
    this.#looks = reader.u32();
    this.#requests = [];
    for (let left = reader.u16(); left > 0; left--) this.#requests.push(reader.text());
  }
}

export const training: MakeProcessor<TrainingOperator> = (spec, ports) =>
  new TrainingProcessor(spec, ports);
