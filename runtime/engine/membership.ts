import type { Broker, GroupMember, Producer } from "../../broker/broker.ts";
import type { Plan } from "../../schemas/plan.ts";
import {
  type Assignment,
  assignTasks,
  memberMetadata,
  readAssignment,
  tasksHash,
} from "./assignment.ts";

/** A process among those that run a plan. */
export interface Instance {
  readonly plan: Plan;
  readonly broker: Broker;
  readonly instanceId: string;
  readonly sessionTimeoutMs?: number;
}

/** A commit takes milliseconds; what a dead process left open must not hold up others for long. */
const transactionTimeoutMs = 10_000;

/**
 * Joins; an assignment that was made for another plan (kept for a process that comes back within
 * its session) is given up for a new one.
 */
export async function joinGroup(options: Instance): Promise<GroupMember> {
  const { plan, broker, instanceId, sessionTimeoutMs } = options;
  for (let attempt = 0; ; attempt++) {
    const member = await broker.join({
      group: plan.name,
      metadata: memberMetadata(plan, instanceId),
      assign: (members) => assignTasks(plan, members),
      instanceId,
      ...(sessionTimeoutMs === undefined ? {} : { sessionTimeoutMs }),
    });
    const { tasksHash: assignedFor } = readAssignment(member.assignment);
    if (attempt > 0 || assignedFor === tasksHash(plan) || assignedFor === "") return member;
    await member.leave();
  }
}

/** The producer of an instance; it fences an earlier one of the same. */
export async function openProducer({ plan, broker, instanceId }: Instance): Promise<Producer> {
  const transactional = plan.guarantee === "exactly-once";
  const transactionalId = transactional ? producerName(plan, instanceId) : null;
  return await broker.producer({ transactionalId, transactionTimeoutMs });
}

/** Ends the open transactions of processes that are not in the group: nobody waits for them. */
export async function fenceAbsent(
  { plan, broker }: Instance,
  { instances }: Assignment,
): Promise<void> {
  if (instances.length === 0) return;
  const present = new Set(instances.map((instance) => producerName(plan, instance)));
  const ours = producerName(plan, "");
  await broker.fenceTransactions?.((id) => id.startsWith(ours) && !present.has(id));
}

/** Transactional id of an instance; with an empty one, how all of the plan begin. */
function producerName(plan: Plan, instanceId: string): string {
  return `${plan.name}/worker/${instanceId}`;
}
