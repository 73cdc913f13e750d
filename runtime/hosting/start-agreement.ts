import type { Growth, Plan } from "../../schemas/plan.ts";
import { canonical } from "../../schemas/plan-parts.ts";
import { planTopic } from "../../topologies/dsl/compile/topics.ts";
import { agree, makePlanTopics, type PlanRecords, partsToWrite } from "../engine/plan-agreement.ts";
import { growthPart, refuseChanges } from "../engine/standing-plan.ts";
import { beginStrand, readGrowth } from "./growth.ts";
import type { Stack } from "./stack.ts";
import { evolutionOf } from "./strands.ts";

/**
 * Agrees with all who start the topology, on whatever machine, on the plans as which it runs: of
 * starts at one instant with different definitions, the first goes on and the others are compared
 * with what it has written, as if they had come later.
 *
 * @param now - live mode: what the clock says; else null.
 * @returns what stood before and the strands, each with what is known of it.
 * @throws {MillraceError} PLAN_CHANGED where this start may not go on beside what stands; nothing
 * of it has been written down then. TOPIC_MISMATCH; SOURCE_MISSING.
 */
export async function agreeOnStart(
  stack: Pick<Stack, "broker" | "registry">,
  plan: Plan,
  now: number | null,
): Promise<readonly Plan[]> {
  const { broker } = stack;
  let agreed = await plansOf(stack, plan, now);
  if ((await recordsOf(stack, agreed)).length === 0) return agreed;
  await makePlanTopics(broker, agreed);
  const topics = agreed.map(({ name }) => planTopic(name));
  await agree(broker, plan.name, topics, async () => {
    agreed = await plansOf(stack, plan, now, agreed);
    await makePlanTopics(broker, agreed);
    return await recordsOf(stack, agreed);
  });
  return agreed;
}

/** @param before - what an earlier look has found out about strands that are to begin. */
async function plansOf(
  stack: Pick<Stack, "broker" | "registry">,
  plan: Plan,
  now: number | null,
  before: readonly Plan[] = [],
): Promise<readonly Plan[]> {
  const { running, changes } = await evolutionOf(stack.broker, plan);
  refuseChanges(plan.name, changes);
  const [trunk, ...strands] = running;
  if (trunk === undefined) return [];
  const begun = [trunk];
  for (const strand of strands) {
    const known = before.find(({ name, fingerprint }) => {
      return name === strand.name && fingerprint === strand.fingerprint;
    });
    begun.push(await beginStrand(stack, strand, trunk, now, known?.growth ?? null));
  }
  return begun;
}

/** What is to be written so that these plans stand; nothing where they do. */
async function recordsOf(
  { broker }: Pick<Stack, "broker">,
  plans: readonly Plan[],
): Promise<readonly PlanRecords[]> {
  const found: PlanRecords[] = [];
  for (const plan of plans) {
    const records = new Map(await partsToWrite(broker, plan));
    const { growth } = plan;
    if (growth !== undefined && !isSame(growth, await readGrowth(broker, plan.name)))
      records.set(growthPart, growth);
    if (records.size > 0) found.push({ plan: plan.name, records });
  }
  return found;
}

function isSame(growth: Growth, known: Growth | null): boolean {
  return canonical(growth) === canonical(known);
}
