import { createHash } from "node:crypto";
import type { Plan } from "../../schemas/plan.ts";
import { taskName } from "./task.ts";

/** Where a member keeps the models that it trains and scores with. */
export interface ArtifactsPlace {
  /** Equal for all who share the store, whatever they call it. */
  readonly id: string;
  /** For people, e.g. `directory /srv/models`. */
  readonly where: string;
}

/** What a member shows to the leader of its group. */
interface MemberMetadata {
  readonly instance: string;
  readonly tasksHash: string;
  readonly artifacts?: ArtifactsPlace;
}

/** What the leader gives to a member. */
export interface Assignment {
  readonly tasks: readonly string[];
  /** Instance ids of all members of the generation. */
  readonly instances: readonly string[];
  /** {@link tasksHash} of the plan by which the leader assigned. */
  readonly tasksHash: string;
  /** Of the members that say it, by instance id. @default of none */
  readonly artifacts?: Readonly<Record<string, ArtifactsPlace>>;
}

const nothing: Assignment = { tasks: [], instances: [], tasksHash: "" };

/** All tasks of a plan by name, in the order of its subtopologies. */
export function allTasks(plan: Plan): string[] {
  return plan.subtopologies.flatMap((subtopology) =>
    Array.from({ length: subtopology.partitions }, (_, n) => taskName(subtopology.name, n)),
  );
}

/** Tells plans with other tasks apart. */
export function tasksHash(plan: Plan): string {
  return createHash("sha256").update(allTasks(plan).join("\n")).digest("hex").slice(0, 16);
}

/** The bytes by which a process joins the group of a plan. */
export function memberMetadata(plan: Plan, instance: string, artifacts?: ArtifactsPlace): Buffer {
  const place = artifacts === undefined ? {} : { artifacts };
  const metadata: MemberMetadata = { instance, tasksHash: tasksHash(plan), ...place };
  return Buffer.from(JSON.stringify(metadata), "utf8");
}

/**
 * Spreads the tasks over the members of a group: every member gets as many tasks of each
 * subtopology as any other, plus or minus one. Equal instances get equal tasks, so that a process
 * that comes back gets its old ones.
 *
 * @param members - member id → {@link memberMetadata}.
 * @returns member id → assignment, for {@link readAssignment}. Deterministic.
 */
export function assignTasks(plan: Plan, members: ReadonlyMap<string, Buffer>): Map<string, Buffer> {
  const shown = [...members].map(([id, bytes]) => [id, metadataIn(bytes)] as const);
  const instanceOf = new Map(shown.map(([id, { instance }]) => [id, instance]));
  const places = shown.flatMap(([, { instance, artifacts }]) =>
    artifacts === undefined ? [] : [[instance, artifacts] as const],
  );
  const artifacts = Object.fromEntries(places.sort(([a], [b]) => compareText(a, b)));
  const ids = [...members.keys()].sort((a, b) =>
    compareText(`${instanceOf.get(a)} ${a}`, `${instanceOf.get(b)} ${b}`),
  );
  const given = new Map<string, string[]>(ids.map((id) => [id, []]));
  let next = 0;
  for (const task of allTasks(plan)) {
    given.get(ids[next++ % ids.length] ?? "")?.push(task);
  }
  const instances = [...new Set(instanceOf.values())].sort(compareText);
  const hash = tasksHash(plan);
  return new Map(
    [...given].map(([id, tasks]) => {
      const assignment: Assignment = { tasks, instances, tasksHash: hash, artifacts };
      return [id, Buffer.from(JSON.stringify(assignment), "utf8")];
    }),
  );
}

/** The assignment in its bytes; empty bytes are an empty one. */
export function readAssignment(bytes: Buffer): Assignment {
  return bytes.length === 0 ? nothing : (JSON.parse(bytes.toString("utf8")) as Assignment);
}

function metadataIn(bytes: Buffer): MemberMetadata {
  return JSON.parse(bytes.toString("utf8")) as MemberMetadata;
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
