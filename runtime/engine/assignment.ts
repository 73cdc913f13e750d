import type { Plan } from "../../schemas/plan.ts";
import { taskName } from "./task.ts";

/** All tasks of a plan by name, in the order of its subtopologies. */
export function allTasks(plan: Plan): string[] {
  return plan.subtopologies.flatMap((subtopology) =>
    Array.from({ length: subtopology.partitions }, (_, n) => taskName(subtopology.name, n)),
  );
}

/**
 * Spreads the tasks over the members of a group: every member gets as many tasks of each
 * subtopology as any other, plus or minus one, and keeps what it had where that allows it.
 *
 * @param members - member id → names of the tasks it owned before (JSON array of strings).
 * @returns member id → its tasks (JSON array of strings). Deterministic.
 */
export function assignTasks(plan: Plan, members: ReadonlyMap<string, Buffer>): Map<string, Buffer> {
  const ids = [...members.keys()].sort();
  const owned = new Map(ids.map((id) => [id, new Set(parseTasks(members.get(id)))]));
  const given = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const subtopology of plan.subtopologies) {
    const names = Array.from({ length: subtopology.partitions }, (_, n) =>
      taskName(subtopology.name, n),
    );
    assignAlike(names, ids, owned, given);
  }
  return new Map([...given].map(([id, tasks]) => [id, Buffer.from(JSON.stringify(tasks), "utf8")]));
}

/** Tasks named by assignment or metadata bytes. */
export function parseTasks(bytes: Buffer | undefined): string[] {
  if (bytes === undefined || bytes.length === 0) return [];
  return JSON.parse(bytes.toString("utf8")) as string[];
}

function assignAlike(
  names: readonly string[],
  ids: readonly string[],
  owned: ReadonlyMap<string, ReadonlySet<string>>,
  given: ReadonlyMap<string, string[]>,
): void {
  const least = Math.floor(names.length / ids.length);
  let extras = names.length % ids.length;
  const mine = new Map(ids.map((id) => [id, 0]));
  const give = (id: string, name: string) => {
    given.get(id)?.push(name);
    mine.set(id, (mine.get(id) ?? 0) + 1);
  };
  const open = names.filter((name) => {
    const owner = ids.find((id) => owned.get(id)?.has(name));
    if (owner === undefined) return true;
    const has = mine.get(owner) ?? 0;
    if (has > least || (has === least && extras === 0)) return true;
    if (has === least) extras--;
    give(owner, name);
    return false;
  });
  for (const name of open) give(leastLoaded(ids, mine, given), name);
}

/** Fewest tasks of this kind, then fewest in all, then the first by id. */
function leastLoaded(
  ids: readonly string[],
  mine: ReadonlyMap<string, number>,
  given: ReadonlyMap<string, readonly string[]>,
): string {
  let best = ids[0] as string;
  const weigh = (id: string) => (mine.get(id) ?? 0) * 1e6 + (given.get(id)?.length ?? 0);
  for (const id of ids) if (weigh(id) < weigh(best)) best = id;
  return best;
}
