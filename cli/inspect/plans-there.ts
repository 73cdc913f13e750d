import type { Broker } from "../../broker/broker.ts";
import {
  checkTopologies,
  type DataManifest,
  fingerprintsOf,
} from "../../runtime/hosting/data-directory.ts";
import { evolutionOf } from "../../runtime/hosting/strands.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import { verdictOf } from "../../schemas/plan-changes.ts";
import { planTopic } from "../../topologies/dsl/compile/topics.ts";
import type { LoadedApplication } from "../run/claim.ts";

const remedies = {
  grow: "What was added is filled by the next start (millrace run), beside what runs; until then looks go on with what stands there.",
  break:
    "A start with it would be refused, too: millrace diff says what cannot go on. Look with the module as it ran.",
};

/** Whose data directory it is to be. */
export interface Asked {
  readonly directory: string;
  readonly found: DataManifest;
  readonly spec: LoadedApplication["spec"];
}

/** @throws {MillraceError} DATA_APPLICATION_CHANGED: known before the stack is opened. */
export function checkAsked({ directory, found, spec }: Asked): void {
  checkTopologies(directory, found, spec.name, fingerprintsOf(spec.topologies));
}

/**
 * The plans as which the topologies run, whatever was changed of them since in a way that a start
 * would take; what grows and was never started is left out, for nothing of it is there.
 *
 * @param whole - whether all of them must be there.
 * @throws {MillraceError} DATA_PLAN_CHANGED when a start would be refused, or something is missing.
 */
export async function plansThere(
  { directory, found, spec }: Asked,
  broker: Broker,
  whole = false,
): Promise<Plan[]> {
  const plans: Plan[] = [];
  for (const plan of spec.topologies) {
    const { changes, running } = await evolutionOf(broker, plan);
    const change = found.plans[plan.name] === plan.fingerprint ? "same" : verdictOf(changes);
    if (change === "break" || (change === "grow" && whole)) {
      const facts = { directory, plan: plan.name, change, remedy: remedies[change] };
      throw new MillraceError("DATA_PLAN_CHANGED", facts);
    }
    if (change !== "grow") plans.push(...running);
    else {
      const named = running.map(({ name }) => planTopic(name));
      const there = new Set((await broker.describeTopics(named)).map(({ name }) => name));
      plans.push(...running.filter(({ name }) => there.has(planTopic(name))));
    }
  }
  return plans;
}
