import type { Broker } from "../../broker/broker.ts";
import { readCommitted } from "../../broker/committed-records.ts";
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
  const name = planTopic(topology);
  if ((await broker.describeTopics([name])).length === 0) return [];
  const parts = new Map<string, PlanPart>();
  await readCommitted(broker, name, 0, ({ buffer, keyStart, keyEnd, valueStart, valueEnd }) => {
    const key = buffer.toString("utf8", keyStart, keyEnd);
    if (noParts.has(key)) return;
    parts.set(key, JSON.parse(buffer.toString("utf8", valueStart, valueEnd)) as PlanPart);
  });
  return [...parts.values()];
}

/** Of each source that was given partitions, the numbers that it has had, ascending. */
export async function recordedPartitions(
  broker: Broker,
  { name: plan }: Pick<Plan, "name">,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const name = planTopic(plan);
  if ((await broker.describeTopics([name])).length === 0) return new Map();
  let found: Readonly<Record<string, readonly number[]>> = {};
  await readCommitted(broker, name, 0, ({ buffer, keyStart, keyEnd, valueStart, valueEnd }) => {
    if (buffer.toString("utf8", keyStart, keyEnd) !== partitionsPart) return;
    found = JSON.parse(buffer.toString("utf8", valueStart, valueEnd)) as typeof found;
  });
  return new Map(Object.entries(found));
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

/**
 * Writes down with which parts the topology runs from now on, once what stood before agrees. Every
 * process of a group does so; where nothing has changed, nothing is written.
 *
 * @throws {MillraceError} PLAN_CHANGED.
 */
export async function agreeOnPlan(broker: Broker, plan: Plan): Promise<void> {
  const standing = await standingParts(broker, plan.name);
  if (standing.length > 0 && (await checkStandingPlan(broker, plan)).length === 0) return;
  const batch = new RecordBatchBuilder();
  for (const part of partsOf(plan)) {
    batch.append(Buffer.from(part.part, "utf8"), Buffer.from(JSON.stringify(part), "utf8"), 0);
  }
  await append(broker, planTopic(plan.name), batch);
}
