import type { Config } from "../../runtime/config/settings.ts";
import { changeText } from "../../runtime/engine/standing-plan.ts";
import { readStanding } from "../../runtime/hosting/strands.ts";
import { jsonText } from "../../schemas/plain-text.ts";
import type { Plan } from "../../schemas/plan.ts";
import { isRefused, type PlanChange, verdictOf } from "../../schemas/plan-changes.ts";
import { evolution, type Standing } from "../../schemas/plan-evolution.ts";
import { partsOf } from "../../schemas/plan-parts.ts";
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
  writeOut(options.json ? jsonText(found) : found.map(text).join("\n\n"));
  return found.some(({ changes }) => isRefused(changes)) ? exitCodes.failed : exitCodes.done;
}

function between(before: readonly Plan[], after: readonly Plan[]): TopologyDiff[] {
  const gone = before.filter(({ name }) => !after.some((plan) => plan.name === name));
  return [
    ...after.map((plan) => {
      const was = before.find(({ name }) => name === plan.name);
      const parts = was === undefined ? [] : partsOf(was);
      return compare(plan, { parts, strands: new Map(), begun: new Map() });
    }),
    ...gone.map(({ name }) => ({ topology: name, verdict: "gone" as const, changes: [] })),
  ];
}

async function againstRunning(plans: readonly Plan[], config: Config): Promise<TopologyDiff[]> {
  const stack = await openStack(config, { exclusive: false });
  try {
    const found: TopologyDiff[] = [];
    for (const plan of plans) {
      found.push(compare(plan, await readStanding(stack.broker, plan.name)));
    }
    return found;
  } finally {
    await stack.close();
  }
}

function compare(plan: Plan, before: Standing): TopologyDiff {
  const topology = plan.name;
  if (before.parts.length === 0) return { topology, verdict: "new", changes: [] };
  const { changes } = evolution(before, plan);
  return { topology, verdict: verdictOf(changes), changes };
}

function text({ topology, verdict, changes }: TopologyDiff): string {
  return [`${topology}: ${verdict}`, ...changes.map((each) => `  ${changeText(each)}`)].join("\n");
}
