import { setTimeout as sleep } from "node:timers/promises";
import type { Broker } from "../../broker/broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { type Plan, topologyOf } from "../../schemas/plan.ts";
import { partsOf } from "../../schemas/plan-parts.ts";
import { planTopic } from "../../topologies/dsl/compile/topics.ts";
import { ownTopics, planAsRead } from "./plan-on-sources.ts";
import { checkStandingPlan, standingParts } from "./standing-plan.ts";

/** What is written down of one plan: values by the keys of its topic. */
export interface PlanRecords {
  /** Name of the plan. */
  readonly plan: string;
  readonly records: ReadonlyMap<string, unknown>;
}

/** So often others may come first; the pauses grow by so much, so that one of them gets through. */
const overtaken = { most: 50, pauseMs: 20 } as const;
/** A start takes milliseconds here; what a dead one left open must not hold up others for long. */
const transactionTimeoutMs = 10_000;

/**
 * Writes down what a start of a topology decides from what stands, as one: nobody else has written
 * anything between what it has read and what it writes. A start that another one overtakes decides
 * again, from what that has written; where it finds that it may not go on, it has written nothing.
 *
 * It is a compare-and-set by a transactional id of the topology, its only one: to have a producer
 * of it ends what an earlier one has begun, and no earlier one commits afterwards.
 *
 * @param topics - with plans, among them all that are written to; they stand.
 * @param decide - reads what stands, and says what is to be written; nothing: all is there.
 */
export async function agree(
  broker: Broker,
  topology: string,
  topics: readonly string[],
  decide: () => Promise<readonly PlanRecords[]>,
): Promise<void> {
  const transactionalId = planTopic(topology);
  const scope = { group: topology, topics, offsetsOf: [] };
  for (let attempt = 1; ; attempt++) {
    const producer = await broker.producer({ transactionalId, transactionTimeoutMs, scope });
    try {
      const batches = (await decide()).map(batchOf);
      if (batches.length === 0) return;
      producer.begin();
      await producer.send(batches);
      return await producer.commit();
    } catch (error) {
      if (!wasOvertaken(error) || attempt === overtaken.most) throw error;
    } finally {
      await producer.close().catch(() => {});
    }
    await sleep(overtaken.pauseMs * attempt * Math.random());
  }
}

/** What a commit of unknown outcome has done is read like what others have. */
function wasOvertaken(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false;
  return error.code === "PRODUCER_FENCED" || error.code === "TRANSACTION_OUTCOME_UNKNOWN";
}

function batchOf({ plan, records }: PlanRecords) {
  const batch = new RecordBatchBuilder();
  for (const [key, value] of records) {
    batch.append(Buffer.from(key, "utf8"), Buffer.from(JSON.stringify(value), "utf8"), 0);
  }
  return { topic: planTopic(plan), partition: 0, batch: batch.build() };
}

/**
 * Writes down with which parts a plan runs from now on, once what stood before agrees. Every
 * process of a group does so; where nothing has changed, nothing is written.
 *
 * @throws {MillraceError} PLAN_CHANGED; TOPIC_MISMATCH.
 */
export async function agreeOnPlan(broker: Broker, plan: Plan): Promise<void> {
  if ((await partsToWrite(broker, plan)).size === 0) return;
  await makePlanTopics(broker, [plan]);
  await agree(broker, topologyOf(plan), [planTopic(plan.name)], async () => {
    const records = await partsToWrite(broker, plan);
    return records.size === 0 ? [] : [{ plan: plan.name, records }];
  });
}

/** Makes the topics that hold plans; of new plans once all their topics may be theirs. */
export async function makePlanTopics(broker: Broker, plans: readonly Plan[]): Promise<void> {
  for (const plan of plans) {
    if ((await standingParts(broker, plan.name)).length > 0) continue;
    await checkTopics(broker, plan);
    await broker.createTopics(plan.topics.filter(({ role }) => role === "plan"));
  }
}

/**
 * Of a plan that has never run: whether the topics that it would make, and that stand already, are
 * as it would make them. A plan that is written down before that is found out would stand.
 *
 * @throws {MillraceError} TOPIC_MISMATCH; SOURCE_MISSING, with near names.
 */
async function checkTopics(broker: Broker, plan: Plan): Promise<void> {
  const own = ownTopics(await planAsRead(broker, plan));
  const found = await broker.describeTopics(own.map(({ name }) => name));
  const there = new Set(found.map(({ name }) => name));
  await broker.createTopics(own.filter(({ name }) => there.has(name)));
}

/**
 * All parts of a plan, or none where they stand so.
 *
 * @throws {MillraceError} PLAN_CHANGED.
 */
export async function partsToWrite(
  broker: Broker,
  plan: Plan,
): Promise<ReadonlyMap<string, unknown>> {
  const changes = await checkStandingPlan(broker, plan);
  const isNew = changes.length === 0 && (await standingParts(broker, plan.name)).length === 0;
  const parts = changes.length > 0 || isNew ? partsOf(plan) : [];
  return new Map(parts.map((part) => [part.part, part]));
}
