import { isDeepStrictEqual } from "node:util";
import type { Broker } from "../../broker/broker.ts";
import type { Growth, Plan } from "../../schemas/plan.ts";
import {
  type Evolution,
  evolution,
  type Standing,
  type StandingStrand,
} from "../../schemas/plan-evolution.ts";
import { viewOfPart } from "../../schemas/plan-parts.ts";
import { viewOfStrand } from "../../schemas/plan-strands.ts";
import { planTopic } from "../../topologies/dsl/compile/topics.ts";
import { standingParts } from "../engine/standing-plan.ts";
import { readGrowth } from "./growth.ts";

/** What a start with a plan means here; `millrace diff` and the start itself ask it alike. */
export async function evolutionOf(broker: Broker, plan: Plan): Promise<Evolution> {
  return evolution(await readStanding(broker, plan.name), plan);
}

/** The plans as which a topology runs here: itself, or what stood before and its strands. */
export async function strandsOf(broker: Broker, plan: Plan): Promise<readonly Plan[]> {
  return (await evolutionOf(broker, plan)).running;
}

/** `strandsOf` for who asks again and again: plans stay the same values until something changes. */
export function watchedStrands(broker: Broker, plan: Plan): () => Promise<readonly Plan[]> {
  let known: { readonly standing: Standing; readonly running: readonly Plan[] } | null = null;
  return async () => {
    const standing = await readStanding(broker, plan.name);
    if (known === null || !isDeepStrictEqual(standing, known.standing)) {
      known = { standing, running: evolution(standing, plan).running };
    }
    return known.running;
  };
}

/** What runs under the name of a topology. */
export async function readStanding(broker: Broker, topology: string): Promise<Standing> {
  const parts = await standingParts(broker, topology);
  const strands = new Map<string, StandingStrand[]>();
  const begun = new Map<string, Growth>();
  if (parts.length === 0) return { parts, strands, begun };
  for (const strand of await strandNames(broker, topology)) {
    const own = await standingParts(broker, strand.name);
    const view = own.find((part) => viewOfPart(part) !== null);
    const growth = await readGrowth(broker, strand.name);
    if (view !== undefined)
      strands.set(strand.view, [...(strands.get(strand.view) ?? []), { parts: own, view, growth }]);
    else if (growth !== null) begun.set(strand.name, growth);
  }
  return { parts, strands, begun };
}

/** The older layouts of a view first. */
async function strandNames(broker: Broker, topology: string) {
  const found = (await broker.describeTopics()).flatMap(({ name: topic }) => {
    const name = topic.slice(0, -planTopic("").length);
    const of = topic === planTopic(name) ? viewOfStrand(topology, name) : null;
    return of === null ? [] : [{ name, ...of }];
  });
  return found.sort((a, b) => a.layout - b.layout);
}
