import type {
  Broker,
  GroupMember,
  MemberIdentity,
  Producer,
  TransactionScope,
} from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import {
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
}

/** A commit takes milliseconds; what a dead process left open must not hold up others for long. */
const transactionTimeoutMs = 10_000;

/**
 * The place of a process in the group that runs a plan, and its one producer: both are had anew
 * when ownership is lost, the producer alone when the outcome of a commit is unknown.
 */
export class Membership {
  readonly #instance: Instance;
  readonly #member: GroupMember;
  #producer: Producer;
  #lost = false;
  #rejoinedForMissing = false;

  private constructor(instance: Instance, member: GroupMember, producer: Producer) {
    this.#instance = instance;
    this.#member = member;
    this.#producer = producer;
  }

  /** Joins; if it cannot have a producer it leaves again: nobody waits for what will not come. */
  static async join(instance: Instance): Promise<Membership> {
    const member = await joinGroup(instance);
    const producer = await openProducer(instance).catch(async (error: unknown) => {
      await member.leave();
      throw error;
    });
    return new Membership(instance, member, producer);
  }

  get producer(): Producer {
    return this.#producer;
  }

  get identity(): MemberIdentity {
    return this.#member.identity;
  }

  get assignment(): Assignment {
    return readAssignment(this.#member.assignment);
  }

  /** Whether every ownership is over: {@link rejoin} is due. */
  get lost(): boolean {
    return this.#lost;
  }

  /** @param tell - called when ownership is lost. */
  watch(tell: () => void): void {
    this.#member.onLost(() => {
      this.#lost = true;
      tell();
    });
  }

  async rejoin(): Promise<void> {
    this.#lost = false;
    try {
      // First of all: the others may wait for what is still open here, and we for them.
      await this.#producer.close().catch(() => {});
      await this.#member.rejoin();
      await this.renewProducer();
    } catch (error) {
      // Still due: whoever waits for the broker tries again.
      this.#lost = true;
      throw error;
    }
  }

  async renewProducer(): Promise<void> {
    await this.#producer.close().catch(() => {});
    this.#producer = await openProducer(this.#instance);
  }

  /**
   * Whether joining again may cure an error: what is missing may have been deleted by a new owner
   * of its task, behind the back of a process that hung. Once; where it does not, it is lost.
   */
  mayCure(error: unknown): boolean {
    const missing = error instanceof MillraceError && error.code === "OFFSET_OUT_OF_RANGE";
    if (!missing || this.#rejoinedForMissing) return false;
    this.#rejoinedForMissing = true;
    return true;
  }

  /** A commit stands. */
  committed(): void {
    this.#rejoinedForMissing = false;
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
      await this.#member.leave();
    }
  }
}

/**
 * Joins; an assignment that was made for another plan (kept for a process that comes back within
 * its session) is given up for a new one.
 */
async function joinGroup(options: Instance): Promise<GroupMember> {
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
async function openProducer({ plan, broker, instanceId }: Instance): Promise<Producer> {
  const transactional = plan.guarantee === "exactly-once";
  const transactionalId = transactional ? producerName(plan, instanceId) : null;
  const scope = transactional ? { scope: scopeOf(plan) } : {};
  return await broker.producer({ transactionalId, transactionTimeoutMs, ...scope });
}

/** What a commit may touch, in whatever process. */
function scopeOf(plan: Plan): TransactionScope {
  return { group: plan.name, topics: ownTopics(plan).map(({ name }) => name) };
}

/** Transactional id of an instance; with an empty one, how all of the plan begin. */
function producerName(plan: Plan, instanceId: string): string {
  return `${plan.name}/worker/${instanceId}`;
}
