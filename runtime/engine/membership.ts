import { setTimeout as sleep } from "node:timers/promises";
import type { Broker, MemberIdentity, Producer, TransactionScope } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import { GroupPlace } from "../group-place.ts";
import {
  type ArtifactsPlace,
  type Assignment,
  assignTasks,
  memberMetadata,
  readAssignment,
  tasksHash,
} from "./assignment.ts";
import { ownTopics } from "./plan-on-sources.ts";

/** A process among those that run a plan. */
export interface Instance {
  readonly plan: Plan;
  readonly broker: Broker;
  readonly instanceId: string;
  readonly sessionTimeoutMs?: number;
  /** Where it keeps models, to be told from others. @default not compared */
  readonly artifacts?: ArtifactsPlace;
}

/** A commit takes milliseconds; what a dead process left open must not hold up others for long. */
const transactionTimeoutMs = 10_000;

/**
 * The place of a process in the group that runs a plan, and its one producer: both are had anew
 * when ownership is lost, the producer alone when the outcome of a commit is unknown.
 */
export class Membership {
  readonly #instance: Instance;
  readonly #place: GroupPlace;
  #producer: Producer;

  private constructor(instance: Instance, place: GroupPlace, producer: Producer) {
    this.#instance = instance;
    this.#place = place;
    this.#producer = producer;
  }

  /**
   * Joins; if it cannot have a producer it leaves again: nobody waits for what will not come.
   *
   * @throws {MillraceError} ARTIFACTS_APART when another one keeps its models elsewhere.
   */
  static async join(instance: Instance): Promise<Membership> {
    const place = await joinGroup(instance);
    try {
      checkArtifacts(instance, readAssignment(place.assignment));
      return new Membership(instance, place, await openProducer(instance));
    } catch (error) {
      await place.leave();
      throw error;
    }
  }

  get producer(): Producer {
    return this.#producer;
  }

  get identity(): MemberIdentity {
    return this.#place.identity;
  }

  get assignment(): Assignment {
    return readAssignment(this.#place.assignment);
  }

  /** Whether an error says that every ownership is over; then {@link rejoin} is due. */
  endedBy(error: unknown): boolean {
    return this.#place.endedBy(error);
  }

  /** @param tell - called when ownership is lost. */
  watch(tell: () => void): void {
    this.#place.onLost(tell);
  }

  async rejoin(): Promise<void> {
    // First of all: the others may wait for what is still open here, and we for them.
    await this.#producer.close().catch(() => {});
    await this.#place.rejoin(() => this.renewProducer());
  }

  async renewProducer(): Promise<void> {
    await this.#producer.close().catch(() => {});
    this.#producer = await openProducer(this.#instance);
  }

  /** One turn of an owner, as {@link GroupPlace.turn} has it. */
  turn<T>(takeOver: () => Promise<void>, work: () => Promise<T>): Promise<T | null> {
    return this.#place.turn(takeOver, work);
  }

  /** A commit stands. */
  committed(): void {
    this.#place.worked();
  }

  /** Ends the open transactions of processes that are not in the group: nobody waits for them. */
  async fenceAbsent(): Promise<void> {
    const { plan, broker } = this.#instance;
    const { instances } = this.assignment;
    if (instances.length === 0) return;
    const present = new Set(instances.map((instance) => producerName(plan, instance)));
    const ours = producerName(plan, "");
    const isAbsent = (id: string) => id.startsWith(ours) && !present.has(id);
    await broker.fenceTransactions?.(isAbsent, scopeOf(plan));
  }

  async leave(): Promise<void> {
    try {
      await this.#producer.close();
    } finally {
      await this.#place.leave();
    }
  }
}

/** So often a process joins again that is given the tasks of another plan, a moment apart, ms. */
const foreignAssignments = { most: 20, pauseMs: 250 } as const;

/**
 * Joins; an assignment that was made for another plan is given up for a new one: it was kept for a
 * process that comes back within its session, or the leader does not know yet that a source has
 * more partitions.
 */
async function joinGroup(options: Instance): Promise<GroupPlace> {
  const { plan, broker, instanceId, sessionTimeoutMs } = options;
  for (let attempt = 0; ; attempt++) {
    const place = await GroupPlace.join(broker, {
      group: plan.name,
      metadata: memberMetadata(plan, instanceId, options.artifacts),
      assign: (members) => assignTasks(plan, members),
      instanceId,
      ...(sessionTimeoutMs === undefined ? {} : { sessionTimeoutMs }),
    });
    const { tasksHash: assignedFor } = readAssignment(place.assignment);
    const isOwn = assignedFor === tasksHash(plan) || assignedFor === "";
    if (isOwn || attempt === foreignAssignments.most) return place;
    await place.leave();
    if (attempt > 0) await sleep(foreignAssignments.pauseMs);
  }
}

/** One that runs already goes on; the one that comes is told. */
function checkArtifacts({ plan, instanceId, artifacts: here }: Instance, group: Assignment): void {
  if (here === undefined) return;
  for (const [other, there] of Object.entries(group.artifacts ?? {})) {
    if (other === instanceId || there.id === here.id) continue;
    const facts = { plan: plan.name, other, there: there.where, here: here.where };
    throw new MillraceError("ARTIFACTS_APART", facts);
  }
}

/** The producer of an instance; it fences an earlier one of the same. */
async function openProducer({ plan, broker, instanceId }: Instance): Promise<Producer> {
  const transactional = plan.guarantee === "exactly-once";
  const transactionalId = transactional ? producerName(plan, instanceId) : null;
  const scope = transactional ? { scope: scopeOf(plan) } : {};
  return await broker.producer({ transactionalId, transactionTimeoutMs, ...scope });
}

/** What a commit may touch, in whatever process. */
function scopeOf(plan: Plan): TransactionScope {
  const topics = ownTopics(plan).map(({ name }) => name);
  return { group: plan.name, topics, offsetsOf: plan.subtopologies.map(({ inbox }) => inbox) };
}

/** Transactional id of an instance; with an empty one, how all of the plan begin. */
function producerName(plan: Plan, instanceId: string): string {
  return `${plan.name}/worker/${instanceId}`;
}
