import type { Merge, OrderDecision } from "../../../flow/merge.ts";
import type { ExternalWork } from "../../../processors/processor.ts";
import type { Decision } from "../../../schemas/generated.ts";
import type { InputSpec } from "../../../schemas/plan.ts";
import { serviceOf } from "../../services/registry.ts";
import type { RepeatedWork } from "../../services/service.ts";
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
  /** What of the work is to be done. */
  left(work: ExternalWork): ExternalWork;
  /** The result that counts, given the one that came, of what was left of the work. */
  settled(work: ExternalWork, result: Buffer): Buffer;
  /** The records of an upstream task that was not there before count as known from `floor` on. */
  joined(input: string, writer: number, floor: number): void;
  collect(merge: Merge, inputs: readonly InputSpec[], batches: CommitBatches): void;
}

/**
 * Replay: the input alone decides, and when a partition was added to a source.
 *
 * @param recorded - decisions of an earlier run, which are repeated. @default none
 */
export function inputOrders(log: DecisionLog, recorded: readonly Decision[] = []): MergeDecisions {
  return {
    awaits: () => true,
    now: () => 0,
    isOver: () => false,
    prepare: (merge, inputs) => {
      const joins = orderIn(recorded, ["joined"], merge, inputs);
      if (joins.length > 0) merge.repeat(joins);
    },
    known: () => undefined,
    left: (work) => work,
    settled: (_, result) => result,
    joined: (input, writer, floor) => log.add(joinedAt(input, writer, floor)),
    collect: (_merge, _inputs, batches) => log.collect(batches),
  };
}

function joinedAt(input: string, writer: number, floor: number) {
  return { kind: "joined", input, writer, position: 1, from: floor, until: floor } as const;
}

/** Decisions on the order of a merge, of some kinds. */
function orderIn(
  decisions: readonly Decision[],
  kinds: readonly string[],
  merge: Merge,
  inputs: readonly InputSpec[],
): OrderDecision[] {
  return decisions
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ input, writer, position, from, until }) => ({
      channel: merge.channelOf(
        inputs.findIndex(({ name }) => name === input),
        writer ?? 0,
      ),
      sequence: position,
      from: from ?? Number.NEGATIVE_INFINITY,
      until: until ?? Number.NEGATIVE_INFINITY,
    }));
}

/**
 * Live mode: waits end at a limit, models take their place when they come and take effect when they
 * were answered. All of it is logged, with what services decide.
 */
export function clockOrders(now: () => number, limitMs: number, log: DecisionLog): MergeDecisions {
  let longestMs = 0;
  return {
    awaits,
    now,
    isOver: (since) => {
      const waitedMs = now() - since;
      if (waitedMs <= limitMs) return false;
      longestMs = Math.max(longestMs, waitedMs);
      return true;
    },
    prepare: () => {},
    known: () => undefined,
    left: (work) => work,
    settled: (work, result) =>
      serviceOf(work).settled(work.payload, result, now(), (decision) => log.add(decision)),
    joined: (input, writer, floor) => log.add(joinedAt(input, writer, floor)),
    collect: (merge, inputs, batches) => {
      for (const { channel, sequence, from, until } of merge.takeDecisions()) {
        const { input, writer } = merge.placeOf(channel);
        const spec = inputs[input] as InputSpec;
        const isPlace = !awaits(spec);
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

function awaits({ awaited }: InputSpec): boolean {
  return awaited !== false;
}

/** Live mode read again: what was decided then is repeated. */
export function recordOrders(decisions: readonly Decision[]): MergeDecisions {
  const services = new Map<string, RepeatedWork<object>>();
  const repeated = (work: ExternalWork): RepeatedWork<object> => {
    let service = services.get(work.service);
    if (service === undefined) {
      service = serviceOf(work).repeat(decisions);
      services.set(work.service, service);
    }
    return service;
  };
  return {
    awaits,
    now: () => 0,
    isOver: () => false,
    prepare: (merge, inputs) =>
      merge.repeat(orderIn(decisions, ["wait", "place", "joined"], merge, inputs)),
    known: (work) => repeated(work).known(work.payload),
    left: (work) => {
      const payload = repeated(work).left?.(work.payload) ?? work.payload;
      return { ...work, payload };
    },
    settled: (work, result) => repeated(work).settled(work.payload, result),
    joined: () => {},
    collect: () => {},
  };
}
