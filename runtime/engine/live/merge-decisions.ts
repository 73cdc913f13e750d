import type { Merge } from "../../../flow/merge.ts";
import type { ExternalWork } from "../../../processors/processor.ts";
import { ByteReader, ByteWriter } from "../../../schemas/bytes.ts";
import type { Decision } from "../../../schemas/generated.ts";
import { readJsonText, readModelAnswer, writeJson } from "../../../schemas/json-payload.ts";
import type { RetrainRequest } from "../../../schemas/payload.ts";
import type { InputSpec } from "../../../schemas/plan.ts";
import type { CommitBatches } from "../commit-batches.ts";
import type { DecisionLog } from "./decision-log.ts";

/** What a task behind an inbox needs to be told besides its records. */
export interface MergeDecisions {
  /** Whether the merge waits for an input. */
  awaits(input: InputSpec): boolean;
  /** The clock, for stamping what arrives. */
  now(): number;
  /** Whether the wait of a record that came at `since` is over. */
  isOver(since: number): boolean;
  /** Brings recorded decisions into the order of a merge. */
  prepare(merge: Merge, inputs: readonly InputSpec[]): void;
  /** Work whose result is known already; undefined: do it; null: it was never answered. */
  known(work: ExternalWork): Buffer | null | undefined;
  /** The result that counts, given the one that came. */
  settled(work: ExternalWork, result: Buffer): Buffer;
  collect(merge: Merge, inputs: readonly InputSpec[], batches: CommitBatches): void;
}

/** Replay: the input alone decides. */
export const inputOrders: MergeDecisions = Object.freeze({
  awaits: () => true,
  now: () => 0,
  isOver: () => false,
  prepare: () => {},
  known: () => undefined,
  settled: (_work: ExternalWork, result: Buffer) => result,
  collect: () => {},
});

/**
 * Live mode: waits end at a limit, models take their place when they come and take effect when they
 * were answered. All of it is logged, with the scores that came too late.
 */
export function clockOrders(
  now: () => number,
  limitMs: number,
  isModel: (input: InputSpec) => boolean,
  log: DecisionLog,
): MergeDecisions {
  let longestMs = 0;
  return {
    awaits: (input) => !isModel(input),
    now,
    isOver: (since) => {
      const waitedMs = now() - since;
      if (waitedMs <= limitMs) return false;
      longestMs = Math.max(longestMs, waitedMs);
      return true;
    },
    prepare: () => {},
    known: () => undefined,
    settled: (work, result) => {
      if (work.kind === "train") return answeredNow(work.request, result, now(), log);
      for (let row = 0; row < work.sourceOffsets.length; row++) {
        if (!Number.isNaN(result.readDoubleLE(row * 8))) continue;
        const writer = work.sourcePartitions[row] as number;
        log.add({ kind: "deadline", writer, position: work.sourceOffsets[row] as number });
      }
      return result;
    },
    collect: (merge, inputs, batches) => {
      for (const { channel, sequence, from, until } of merge.takeDecisions()) {
        const { input, writer } = merge.placeOf(channel);
        const spec = inputs[input] as InputSpec;
        const isPlace = isModel(spec);
        log.add({
          kind: isPlace ? "place" : "wait",
          input: spec.name,
          writer,
          position: sequence,
          from: Number.isFinite(from) ? from : null,
          until,
          waitedMs: isPlace ? null : Math.ceil(longestMs),
        });
      }
      longestMs = 0;
      log.collect(batches);
    },
  };
}

/** Live mode read again: what was decided then is repeated. */
export function recordOrders(
  decisions: readonly Decision[],
  isModel: (input: InputSpec) => boolean,
): MergeDecisions {
  const answers = new Map(
    decisions.flatMap(({ kind, position, answer }) =>
      kind === "training" && answer !== null ? [[position, answer] as const] : [],
    ),
  );
  const tooLate = new Set(
    decisions.flatMap(({ kind, writer, position }) =>
      kind === "deadline" ? [placeOf(writer ?? 0, position)] : [],
    ),
  );
  return {
    ...inputOrders,
    awaits: (input) => !isModel(input),
    prepare: (merge, inputs) => {
      const order = decisions.filter(({ kind }) => kind === "wait" || kind === "place");
      merge.repeat(
        order.map(({ input, writer, position, from, until }) => ({
          channel: merge.channelOf(
            inputs.findIndex(({ name }) => name === input),
            writer ?? 0,
          ),
          sequence: position,
          from: from ?? Number.NEGATIVE_INFINITY,
          until: until ?? Number.NEGATIVE_INFINITY,
        })),
      );
    },
    known: (work) => {
      if (work.kind !== "train") return undefined;
      const answer = answers.get(numberOf(work.request));
      return answer === undefined ? null : withLength(answer);
    },
    settled: (work, result) => {
      if (work.kind !== "score" || tooLate.size === 0) return result;
      const counted = Buffer.from(result);
      for (let row = 0; row < work.sourceOffsets.length; row++) {
        const partition = work.sourcePartitions[row] as number;
        if (!tooLate.has(placeOf(partition, work.sourceOffsets[row] as number))) continue;
        counted.writeDoubleLE(Number.NaN, row * 8);
      }
      return counted;
    },
  };
}

/** A model takes effect when it is there. */
function answeredNow(request: string, result: Buffer, now: number, log: DecisionLog): Buffer {
  const answer = readModelAnswer(new ByteReader(result));
  const writer = new ByteWriter(result.length + 64);
  writeJson(writer, { ...answer, effectiveFrom: Math.max(now, answer.cutoff) });
  const counted = writer.take();
  log.add({
    kind: "training",
    position: numberOf(request),
    answer: Buffer.from(readJsonText(new ByteReader(counted)), "utf8"),
  });
  return counted;
}

function placeOf(partition: number, offset: number): string {
  return `${partition}/${offset}`;
}

function numberOf(request: string): number {
  return (JSON.parse(request) as RetrainRequest).number;
}

function withLength(json: Buffer): Buffer {
  const writer = new ByteWriter(json.length + 8);
  writer.bytes(json);
  return writer.take();
}
