import type { Broker } from "../../broker/broker.ts";
import { committedPages, readCommitted } from "../../broker/committed-records.ts";
import { reachedIn } from "../../runtime/engine/source-position.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { AvroDecoder } from "../../runtime/schema-registry/avro-codec.ts";
import { type Decision, decision } from "../../schemas/generated.ts";
import type { Plan } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import { decisionsTopic } from "../../topologies/dsl/compile/topics.ts";
import type { LatencyHistogram } from "./latency-histogram.ts";

/** Of an event to its committed prediction, ms; null while there is none. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

/** What a live run says besides the summary of any run. */
export interface LiveFacts {
  readonly maxWaitMs: number;
  /**
   * From the event time of a departure until a consumer at read_committed in the process of the run
   * has its prediction; over all starts, the time between them included.
   */
  readonly latencyMs: LatencySummary;
  /** Records in the sources that are later than the end of the run: they are for the next one. */
  readonly awaiting: number;
  /** Predictions that were made without waiting for all that may lie before them. */
  readonly incomplete: number;
  /** Longest time that a record had been in a task when it ended a wait, ms; 0: none was ended. */
  readonly longestWaitMs: number;
  /** Decisions of the clock by kind. */
  readonly decisions: Readonly<Record<string, number>>;
  /** What the feeder of this start says that it sent; null: there was none. */
  readonly load: Readonly<Record<string, unknown>> | null;
}

/**
 * Counts what is asked of topics and tables.
 *
 * @param running - as which the plans ran.
 */
export async function collectLiveFacts(
  plans: readonly Plan[],
  running: readonly Plan[],
  stack: Stack,
  run: Pick<LiveFacts, "maxWaitMs" | "load"> & { readonly latency: LatencyHistogram },
): Promise<LiveFacts> {
  return {
    maxWaitMs: run.maxWaitMs,
    awaiting: await countAwaiting(running, stack.broker),
    latencyMs: latencySummary(run.latency),
    incomplete: await countIncomplete(plans, stack),
    ...(await readDecisions(plans, stack)),
    load: run.load,
  };
}

export function latencySummary(latency: LatencyHistogram): LatencySummary {
  const { count, maxMs } = latency;
  return {
    count,
    p50: latency.quantile(0.5),
    p99: latency.quantile(0.99),
    max: count === 0 ? null : maxMs,
  };
}

/** A record that several topologies read counts once. */
async function countAwaiting(running: readonly Plan[], broker: Broker): Promise<number> {
  const counted = new Map<string, number>();
  for (const plan of running) {
    const reached = await reachedIn(broker, plan);
    for (const { topic, partition, offset } of reached) {
      const [end = 0] = await broker.listOffsets([{ topic, partition, at: "stable" }]);
      let records = 0;
      for await (const page of committedPages(broker, topic, partition, { from: offset, end })) {
        records += page.length;
      }
      const place = `${topic}/${partition}`;
      counted.set(place, Math.max(records, counted.get(place) ?? 0));
    }
  }
  return [...counted.values()].reduce((sum, records) => sum + records, 0);
}

async function countIncomplete(plans: readonly Plan[], { offline }: Stack): Promise<number> {
  let incomplete = 0;
  for (const plan of plans) {
    for (const { name } of predictionsOf(plan)) {
      const [found] = await offline
        .of(plan.name)
        .query<{ rows: number }>(
          `SELECT toFloat64(countIf(incomplete = 1)) AS rows FROM raw_${name}`,
        );
      incomplete += found?.rows ?? 0;
    }
  }
  return incomplete;
}

/** Decisions of the clock, from their topic. */
async function readDecisions(
  plans: readonly Plan[],
  { broker, registry }: Stack,
): Promise<Pick<LiveFacts, "decisions" | "longestWaitMs">> {
  const decoder = new AvroDecoder(registry, decision);
  const decisions: Record<string, number> = {};
  let longestWaitMs = 0;
  for (const plan of plans) {
    const topic = decisionsTopic(plan.name);
    await decoder.resolve(await registry.register(`${topic}-value`, decision));
    await readCommitted(broker, topic, 0, ({ buffer, valueStart, valueEnd }) => {
      const decoded = decoder.decode(buffer, valueStart, valueEnd);
      const value = decoded.kind === "value" ? decoded.value : { kind: "unreadable" };
      const { kind, waitedMs } = value as unknown as Pick<Decision, "kind" | "waitedMs">;
      decisions[kind] = (decisions[kind] ?? 0) + 1;
      longestWaitMs = Math.max(longestWaitMs, waitedMs ?? 0);
    });
  }
  return { decisions, longestWaitMs };
}

/** The facts for people. */
export function liveText(facts: LiveFacts): string {
  const { maxWaitMs, latencyMs, awaiting, incomplete, longestWaitMs, decisions } = facts;
  const decided = Object.entries(decisions).map(([kind, count]) => `${number(count)} ${kind}`);
  return [
    `latency        ${milliseconds(latencyMs)}`,
    `incomplete     ${number(incomplete)} predictions; waits end after ${number(maxWaitMs)} ms` +
      (longestWaitMs === 0 ? ", none did" : `, the longest after ${number(longestWaitMs)}`),
    `decisions      ${decided.length === 0 ? "none" : decided.join(", ")}`,
    ...(awaiting === 0 ? [] : [awaitingText(awaiting)]),
  ].join("\n");
}

function awaitingText(records: number): string {
  const [noun, verb] = records === 1 ? ["record", "awaits"] : ["records", "await"];
  return `${number(records)} ${noun} came after the end and ${verb} the next run.`;
}

function milliseconds({ count, p50, p99, max }: LatencySummary): string {
  if (p50 === null || p99 === null || max === null) return "no prediction was seen";
  return (
    `event to committed prediction p50 ${number(p50)} ms, p99 ${number(p99)} ms, ` +
    `most ${number(max)} ms (${number(count)} predictions)`
  );
}

function number(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
