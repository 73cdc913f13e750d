import type { TrainWork } from "../../../processors/train/train-work.ts";
import { ByteReader, ByteWriter } from "../../../schemas/bytes.ts";
import { readJsonText, readModelAnswer, writeJson } from "../../../schemas/json-payload.ts";
import type { RetrainRequest } from "../../../schemas/payload.ts";
import { stepsOf } from "../../../schemas/plan.ts";
import type { Service, ServiceDecision } from "../service.ts";
import { createTrainer, encodeModelAnswer } from "./trainer.ts";

/**
 * Trains models. In live mode a model takes effect when it is there, and the whole answer is a
 * decision: a replay of it trains nothing.
 */
export const training: Service<TrainWork> = {
  lasting: true,
  open: ({ plan, offline, artifacts, whenStored, register, now }) => {
    const trainers = new Map(
      stepsOf(plan, "training").map((spec) => [
        spec.name,
        createTrainer({
          ...{ plan, training: spec, offline, artifacts, whenStored },
          ...(register === undefined ? {} : { register }),
          ...(now === undefined ? {} : { now }),
        }),
      ]),
    );
    return {
      run: async (work, { name }) => {
        const trainer = trainers.get(name);
        if (trainer === undefined) throw new RangeError(`no trainer for ${name}`);
        return encodeModelAnswer(await trainer.train(work));
      },
      close: async () => {
        for (const trainer of trainers.values()) await trainer.close();
      },
    };
  },
  settled: (work, result, now, decide) => answeredNow(work.request, result, now, decide),
  repeat: (decisions) => {
    const answers = new Map(
      decisions.flatMap(({ kind, position, answer }) =>
        kind === "training" && answer !== null ? [[position, answer] as const] : [],
      ),
    );
    return {
      known: (work) => {
        const answer = answers.get(numberOf(work.request));
        return answer === undefined ? null : withLength(answer);
      },
      settled: (_work, result) => result,
    };
  },
};

/** A model takes effect when it is there. */
function answeredNow(
  request: string,
  result: Buffer,
  now: number,
  decide: (decision: ServiceDecision) => void,
): Buffer {
  const answer = readModelAnswer(new ByteReader(result));
  const writer = new ByteWriter(result.length + 64);
  writeJson(writer, { ...answer, effectiveFrom: Math.max(now, answer.cutoff) });
  const counted = writer.take();
  decide({
    kind: "training",
    position: numberOf(request),
    answer: Buffer.from(readJsonText(new ByteReader(counted)), "utf8"),
  });
  return counted;
}

function numberOf(request: string): number {
  return (JSON.parse(request) as RetrainRequest).number;
}

function withLength(json: Buffer): Buffer {
  const writer = new ByteWriter(json.length + 8);
  writer.bytes(json);
  return writer.take();
}
