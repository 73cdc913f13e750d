import { MillraceError } from "../../schemas/errors.ts";
import type { GroupMember, GroupOptions, MemberIdentity } from "../broker.ts";
import type { ClusterClient } from "./cluster-client.ts";
import { kafkaCode, kafkaError } from "./error-codes.ts";
import type { Lane } from "./lane.ts";
import {
  heartbeatRequest,
  type Joined,
  joinGroupRequest,
  leaveGroupRequest,
  syncGroupRequest,
} from "./requests/groups.ts";

const defaultSessionTimeoutMs = 30_000;
const defaultRebalanceTimeoutMs = 60_000;
/**
 * A rebalance is noticed by the next heartbeat: at most this late, sooner in a group that has just
 * changed, for more members may come.
 */
const longestHeartbeatMs = { settled: 3_000, changing: 1_000 } as const;
/** A group in which nothing has changed for so long is settled, ms. */
const settledAfterMs = 30_000;
const noAssignment = Buffer.alloc(0);

/** Time to the next heartbeat of a group in which nothing has changed for so long, ms. */
export function heartbeatAfterMs(unchangedMs: number, sessionTimeoutMs: number): number {
  const { settled, changing } = longestHeartbeatMs;
  return Math.min(unchangedMs >= settledAfterMs ? settled : changing, sessionTimeoutMs / 10);
}

/** Codes of a heartbeat or a sync after which the generation is over. */
const generationOver: ReadonlySet<number> = new Set([
  kafkaCode.illegalGeneration,
  kafkaCode.unknownMember,
  kafkaCode.rebalanceInProgress,
  kafkaCode.fencedInstance,
]);

/** Joins the group; the first assignment is ready when it resolves. */
export async function joinKafkaGroup(
  client: ClusterClient,
  options: GroupOptions,
  onLeft: (member: KafkaGroupMember) => void,
): Promise<KafkaGroupMember> {
  const member = new KafkaGroupMember(client, options, onLeft);
  try {
    await member.rejoin();
    return member;
  } catch (error) {
    await member.leave();
    throw error;
  }
}

/** One membership over the classic group protocol, with a heartbeat of its own. */
export class KafkaGroupMember implements GroupMember {
  readonly #client: ClusterClient;
  readonly #lane: Lane;
  readonly #options: GroupOptions;
  readonly #onLeft: (member: KafkaGroupMember) => void;
  readonly #sessionTimeoutMs: number;
  readonly #instanceId: string | null;
  readonly #listeners: (() => void)[] = [];
  #identity: MemberIdentity = { memberId: "", generation: -1 };
  #assignment: Buffer = noAssignment;
  #timer: NodeJS.Timeout | null = null;
  /** Whether the assignment holds; listeners hear once when it ends. */
  #holding = false;
  #left = false;
  #lastHeartbeatMs = 0;
  #joinedAt = 0;
  /** A join without an answer may have put another member in the place of this one. */
  #joinedUnheard = false;

  constructor(
    client: ClusterClient,
    options: GroupOptions,
    onLeft: (member: KafkaGroupMember) => void,
  ) {
    this.#client = client;
    this.#lane = client.lane();
    this.#options = options;
    this.#onLeft = onLeft;
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? defaultSessionTimeoutMs;
    this.#instanceId = options.instanceId ?? null;
  }

  get identity(): MemberIdentity {
    return this.#identity;
  }

  get assignment(): Buffer {
    return this.#assignment;
  }

  onLost(listener: () => void): void {
    this.#listeners.push(listener);
    if (!this.#holding && !this.#left) {
      queueMicrotask(listener);
    }
  }

  /** Whoever calls it knows that the assignment is over: listeners hear nothing of it. */
  async rejoin(): Promise<void> {
    this.#stopHeartbeat();
    this.#holding = false;
    this.#assignment = noAssignment;
    for (;;) {
      if (this.#left) {
        throw new MillraceError("BROKER_CLOSED", { request: "JoinGroup" });
      }
      const joined = await this.#join();
      const { memberId, generation } = joined;
      this.#identity = { memberId, generation };
      const assignments = joined.leader === memberId ? this.#assign(joined) : new Map();
      const { answer } = await this.#client.onCoordinator(
        this.#lane,
        "group",
        this.#options.group,
        syncGroupRequest(this.#options.group, this.#identity, this.#instanceId, assignments),
        ({ error }) => error,
      );
      if (answer.error === kafkaCode.none) {
        this.#assignment = answer.assignment;
        this.#holding = true;
        this.#lastHeartbeatMs = performance.now();
        this.#joinedAt = this.#lastHeartbeatMs;
        this.#scheduleHeartbeat();
        return;
      }
      if (!generationOver.has(answer.error)) {
        throw kafkaError(answer.error, "SyncGroup", { group: this.#options.group });
      }
    }
  }

  async #join(): Promise<Joined> {
    const { group, metadata, rebalanceTimeoutMs = defaultRebalanceTimeoutMs } = this.#options;
    const sessionTimeoutMs = this.#sessionTimeoutMs;
    for (let { memberId } = this.#identity; ; ) {
      const request = joinGroupRequest({
        group,
        memberId,
        instanceId: this.#instanceId,
        metadata,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
      });
      const { answer, repeated } = await this.#client
        .onCoordinator(this.#lane, "group", group, request, ({ error }) => error)
        .catch((error: unknown) => {
          this.#joinedUnheard = true;
          throw error;
        });
      this.#joinedUnheard ||= repeated;
      if (answer.error === kafkaCode.none) {
        return answer;
      }
      if (answer.error === kafkaCode.fencedInstance && this.#joinedUnheard) {
        this.#joinedUnheard = false;
        memberId = "";
      } else if (answer.error === kafkaCode.memberIdRequired) {
        memberId = answer.memberId;
      } else if (answer.error === kafkaCode.unknownMember) {
        memberId = "";
      } else if (answer.error !== kafkaCode.rebalanceInProgress) {
        throw kafkaError(answer.error, "JoinGroup", { group, member: memberId });
      }
    }
  }

  /** In the order of member ids, so that equal members always give equal assignments. */
  #assign({ members }: Joined): ReadonlyMap<string, Buffer> {
    const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
    return this.#options.assign(
      new Map(sorted.map(({ memberId, metadata }) => [memberId, metadata])),
    );
  }

  #scheduleHeartbeat(): void {
    if (!this.#left && this.#holding) {
      const everyMs = heartbeatAfterMs(performance.now() - this.#joinedAt, this.#sessionTimeoutMs);
      this.#timer = setTimeout(() => void this.#heartbeat(), everyMs);
    }
  }

  async #heartbeat(): Promise<void> {
    const identity = this.#identity;
    let over = false;
    try {
      const { answer } = await this.#client.onCoordinator(
        this.#lane,
        "group",
        this.#options.group,
        heartbeatRequest(this.#options.group, identity, this.#instanceId),
        (code) => code,
        this.#sessionTimeoutMs,
      );
      over = generationOver.has(answer);
      if (answer === kafkaCode.none) {
        this.#lastHeartbeatMs = performance.now();
      }
    } catch {
      // Not reached: counted against the session below.
    }
    if (identity !== this.#identity || !this.#holding) {
      return;
    }
    if (over || performance.now() - this.#lastHeartbeatMs > this.#sessionTimeoutMs) {
      this.#lose();
    } else {
      this.#scheduleHeartbeat();
    }
  }

  #lose(): void {
    if (this.#holding) {
      this.#holding = false;
      this.#assignment = noAssignment;
      for (const listener of this.#listeners) {
        listener();
      }
    }
  }

  #stopHeartbeat(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }

  async leave(): Promise<void> {
    if (this.#left) {
      return;
    }
    this.#left = true;
    this.#holding = false;
    this.#stopHeartbeat();
    const { group } = this.#options;
    const { memberId } = this.#identity;
    if (memberId !== "") {
      const request = leaveGroupRequest(group, memberId);
      const limitMs = 1_000;
      await this.#client
        .onCoordinator(this.#lane, "group", group, request, (code) => code, limitMs)
        // The session's end removes a member that could not say so.
        .catch(() => undefined);
    }
    this.#onLeft(this);
    await this.#client.release(this.#lane);
  }
}
