import type { Broker } from "../../broker/broker.ts";
import type { Config } from "../../runtime/config/settings.ts";
import { changeText, standingParts } from "../../runtime/engine/standing-plan.ts";
import { goneStrands, strandsOf } from "../../runtime/hosting/strands.ts";
import type { Plan } from "../../schemas/plan.ts";
import { isRefused, type PlanChange, planChanges, verdictOf } from "../../schemas/plan-changes.ts";
import { type PlanPart, partsOf } from "../../schemas/plan-parts.ts";
import { openStack } from "../../stacks/open-stack.ts";
import { loadApplication } from "../application/load-application.ts";
import { exitCodes } from "../exit.ts";
import type { LoadedApplication } from "../run/claim.ts";
import { writeOut } from "../write-out.ts";

/** What became of one topology. */
interface TopologyDiff {
  readonly topology: string;
  /** `new`: nothing runs under its name; `gone`: the newer module does not have it. */
  readonly verdict: PlanChange["kind"] | "same" | "new" | "gone";
  readonly changes: readonly PlanChange[];
}

/**
 * `millrace diff`: what differs between two modules, or between one and what runs on the stack of
 * the configuration. Exit 1 when a start would be refused.
 *
 * @param other - path of the newer module; null: the application is held against what runs.
 */
export async function diff(
  application: LoadedApplication,
  other: string | null,
  config: Config,
  options: { readonly json?: boolean },
): Promise<number> {
  const found =
    other === null
      ? await againstRunning(application.spec.topologies, config)
      : between(application.spec.topologies, (await loadApplication(other)).spec.topologies);
  writeOut(options.json ? JSON.stringify(found, null, 2) : found.map(text).join("\n\n"));
  return found.some(({ changes }) => isRefused(changes)) ? exitCodes.failed : exitCodes.done;
}

function between(before: readonly Plan[], after: readonly Plan[]): TopologyDiff[] {
  const gone = before.filter(({ name }) => !after.some((plan) => plan.name === name));
  return [
    ...after.map((plan) => {
      const was = before.find(({ name }) => name === plan.name);
      return compare(plan, was === undefined ? [] : partsOf(was));
    }),
    ...gone.map(({ name }) => ({ topology: name, verdict: "gone" as const, changes: [] })),
  ];
}

async function againstRunning(plans: readonly Plan[], config: Config): Promise<TopologyDiff[]> {
  const stack = await openStack(config, { exclusive: false });
  try {
    const found: TopologyDiff[] = [];
    for (const plan of plans) {
      found.push(await againstStrands(plan, stack.broker));
    }
    return found;
  } finally {
    await stack.close();
  }
}

/** What has grown before is held against its own strand. */
async function againstStrands(plan: Plan, broker: Broker): Promise<TopologyDiff> {
  const whole = await standingParts(broker, plan.name);
  if (whole.length === 0) return compare(plan, whole);
  const changes: PlanChange[] = [];
  for (const strand of await strandsOf(broker, plan)) {
    const standing = await standingParts(broker, strand.name);
    const parts = partsOf(strand);
    // One that has never run is told as the views that it would bring.
    const before = standing.length > 0 ? standing : parts.filter(({ kind }) => kind !== "view");
    changes.push(...planChanges(before, parts));
  }
  changes.push(...(await goneStrands(broker, plan)));
  return { topology: plan.name, verdict: verdictOf(changes), changes };
}

function compare(plan: Plan, before: readonly PlanPart[]): TopologyDiff {
  const topology = plan.name;
  if (before.length === 0) return { topology, verdict: "new", changes: [] };
  const changes = planChanges(before, partsOf(plan));
  return { topology, verdict: verdictOf(changes), changes };
}

function text({ topology, verdict, changes }: TopologyDiff): string {
  return [`${topology}: ${verdict}`, ...changes.map((each) => `  ${changeText(each)}`)].join("\n");
}
