import type { Broker } from "../../broker/broker.ts";
import { committedPages } from "../../broker/committed-records.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import { type PlanChange, planChanges } from "../../schemas/plan-changes.ts";
import { type PlanPart, partsOf } from "../../schemas/plan-parts.ts";
import { planTopic } from "../../topologies/dsl/compile/topics.ts";

/** Key of the record that says how far a strand is: no part of a plan. */
export const growthPart = "growth";
/** Key of the record that says how many partitions sources had: no part of a plan. */
export const partitionsPart = "partitions";
const noParts: ReadonlySet<string> = new Set([growthPart, partitionsPart]);

/**
 * The parts with which a topology runs on these servers, whoever started it; empty where it has
 * never been started.
 */
export async function standingParts(broker: Broker, topology: string): Promise<PlanPart[]> {
  const records = [...(await planRecords(broker, topology))];
  return records.flatMap(([key, value]) => (noParts.has(key) ? [] : [value as PlanPart]));
}

/**
 * What stands in the topic with a plan, by its keys; empty without one. What is about to be
 * committed there is waited for: who has just agreed on a plan reads it so.
 */
export async function planRecords(
  broker: Broker,
  plan: string,
): Promise<ReadonlyMap<string, unknown>> {
  const topic = planTopic(plan);
  const found = new Map<string, unknown>();
  if ((await broker.describeTopics([topic])).length === 0) return found;
  const place = { topic, partition: 0 };
  const [from = 0, end = 0] = await broker.listOffsets([
    { ...place, at: "earliest" },
    { ...place, at: "latest" },
  ]);
  for await (const page of committedPages(broker, topic, 0, { from, end })) {
    for (const { key, value } of page) {
      if (key !== null && value !== null) found.set(key.toString(), JSON.parse(value.toString()));
    }
  }
  return found;
}

/** Of each source that was given partitions, the numbers that it has had, ascending. */
export async function recordedPartitions(
  broker: Broker,
  { name: plan }: Pick<Plan, "name">,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const found = (await planRecords(broker, plan)).get(partitionsPart) ?? {};
  return new Map(Object.entries(found as Readonly<Record<string, readonly number[]>>));
}

/** Writes down the numbers of partitions that sources have had, in the place of what stood. */
export async function recordPartitions(
  broker: Broker,
  { name: plan }: Pick<Plan, "name">,
  histories: ReadonlyMap<string, readonly number[]>,
): Promise<void> {
  const batch = new RecordBatchBuilder();
  const value = JSON.stringify(Object.fromEntries(histories));
  batch.append(Buffer.from(partitionsPart, "utf8"), Buffer.from(value, "utf8"), 0);
  await append(broker, planTopic(plan), batch);
}

async function append(broker: Broker, topic: string, batch: RecordBatchBuilder): Promise<void> {
  const producer = await broker.producer({ transactionalId: null });
  try {
    await producer.send([{ topic, partition: 0, batch: batch.build() }]);
  } finally {
    await producer.close();
  }
}

/**
 * What a start with this plan would change of what runs.
 *
 * @throws {MillraceError} PLAN_CHANGED naming what cannot go on, and what to do.
 */
export async function checkStandingPlan(
  broker: Broker,
  plan: Plan,
): Promise<readonly PlanChange[]> {
  const standing = await standingParts(broker, plan.name);
  if (standing.length === 0) return [];
  const changes = planChanges(standing, partsOf(plan));
  // What grows is cut out of it before, as a strand.
  refuse(
    plan.name,
    changes.filter(({ kind }) => kind !== "safe"),
  );
  return changes;
}

/** @throws {MillraceError} PLAN_CHANGED naming what cannot go on under this name as it is. */
export function refuseChanges(topology: string, changes: readonly PlanChange[]): void {
  refuse(
    topology,
    changes.filter(({ remedy }) => remedy !== null),
  );
}

function refuse(topology: string, refused: readonly PlanChange[]): void {
  if (refused.length === 0) return;
  const lines = refused.map((change) => `- ${changeText(change)}`).join("\n");
  throw new MillraceError("PLAN_CHANGED", { topology, changes: lines });
}

/** One line: what it is, whether a start takes it, of what, and what to do about it. */
export function changeText({ part, kind, what, remedy }: PlanChange): string {
  const heading = kind === "grow" && remedy !== null ? "grow, refused" : kind;
  return `${heading}: ${part}: ${what}${remedy === null ? "" : ` (${remedy})`}`;
}
