import type { Broker } from "../../broker/broker.ts";
import { type Plan, topologyOf } from "../../schemas/plan.ts";
import { unknown } from "../../schemas/plan-evolution.ts";
import { shownPlans, takesOverAt } from "../../schemas/plan-names.ts";
import { GroupProgress } from "../engine/group-progress.ts";
import { pumpGroup } from "../row-topics/row-topics.ts";
import { migrateOffline } from "./catalog.ts";
import { readGrowth, writeGrowth } from "./growth.ts";
import type { Stack } from "./stack.ts";

/**
 * Cuts over to strands, each once it has come as far as what stood, in whatever processes, all that
 * it has written until then is stored, and what it takes over is as right as it was.
 */
export class CutOvers {
  readonly #stack: Pick<Stack, "broker" | "offline">;
  #plans: readonly Plan[];
  /** By strand the ends of its row topics when it had caught up. */
  readonly #ends = new Map<string, readonly TopicEnd[]>();

  /** @param plans - as which topologies run; each strand beside what stood before it. */
  constructor(plans: readonly Plan[], stack: Pick<Stack, "broker" | "offline">) {
    this.#plans = plans;
    this.#stack = stack;
  }

  /** Whether all have been cut over. */
  get areDone(): boolean {
    return this.#left.length === 0;
  }

  get #left(): readonly Plan[] {
    return this.#plans.filter(({ growth }) => growth?.cutOver === false);
  }

  /**
   * Cuts over to those that have caught up: one record in the topic of a strand's plan, then the
   * name for analysts. What fails is done again by the next look, or the next start.
   *
   * @param onDone - told each that was cut over, and all plans as they are served from then on.
   */
  async look(onDone: (plan: Plan, all: readonly Plan[]) => void): Promise<void> {
    for (const { name } of this.#left) {
      const { broker } = this.#stack;
      const plan = this.#plans.find((each) => each.name === name);
      if (plan === undefined) continue;
      const known = (await readGrowth(broker, name)) ?? plan.growth ?? unknown;
      if (!known.cutOver && !(await this.#hasCaughtUp(plan))) continue;
      const growth = { ...known, cutOver: true };
      if (!known.cutOver) await writeGrowth(broker, name, growth);
      const done = { ...plan, growth };
      const plans = this.#plans.map((each) => (each.name === name ? done : each));
      const topology = topologyOf(plan);
      const shown = shownPlans(plans.filter((each) => topologyOf(each) === topology));
      for (const each of shown) if (each.name === name) await migrateOffline(this.#stack, each);
      this.#plans = plans.map((each) => shown.find((other) => other.name === each.name) ?? each);
      onDone(done, this.#plans);
    }
  }

  async #hasCaughtUp(plan: Plan): Promise<boolean> {
    const { broker } = this.#stack;
    const trunk = this.#plans.find(({ name }) => name === topologyOf(plan));
    if (trunk === undefined) return false;
    const wanted = await new GroupProgress(trunk, broker).least();
    const reached = await new GroupProgress(plan, broker).least();
    if (!Number.isFinite(reached) || reached < wanted) return false;
    if (reached < (takesOverAt(plan) ?? Number.NEGATIVE_INFINITY)) return false;
    const ends = this.#ends.get(plan.name) ?? (await rowEnds(broker, plan));
    this.#ends.set(plan.name, ends);
    return await areStored(broker, plan, ends);
  }
}

interface TopicEnd {
  readonly topic: string;
  readonly partition: number;
  readonly end: number;
}

async function rowEnds(broker: Broker, plan: Plan): Promise<TopicEnd[]> {
  const places = plan.stored.flatMap(({ topic }) => {
    const { partitions = 1 } = plan.topics.find(({ name }) => name === topic) ?? {};
    return Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  });
  const ends = await broker.listOffsets(places.map((place) => ({ ...place, at: "latest" })));
  return places.map((place, index) => ({ ...place, end: ends[index] ?? 0 }));
}

/** Whether the pumps of a plan have stored all that stands before these ends. */
async function areStored(broker: Broker, plan: Plan, ends: readonly TopicEnd[]): Promise<boolean> {
  for (const { topic, table, online } of plan.stored) {
    const places = ends.filter((each) => each.topic === topic);
    for (const sink of [...(table ? ["offline"] : []), ...(online ? ["online"] : [])]) {
      const stored = await broker.committed(pumpGroup(plan.name, sink, topic), places);
      if (places.some(({ end }, index) => (stored[index]?.offset ?? 0) < end)) return false;
    }
  }
  return true;
}
