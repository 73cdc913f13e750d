import { MillraceError } from "../../schemas/errors.ts";
import type { GroupOptions, MemberIdentity } from "../broker.ts";
import type { BrokerClock } from "./broker-clock.ts";
import type { GroupEntry } from "./broker-state.ts";

const defaultSessionTimeoutMs = 30_000;
const defaultRebalanceTimeoutMs = 60_000;
/** Heartbeats in one session timeout. */
const heartbeatsPerSession = 3;

/** What a member gets when a generation begins. */
export interface Joined {
  readonly identity: MemberIdentity;
  readonly assignment: Buffer;
}

/** What a member is told. */
export interface MemberEvents {
  /** Its assignment holds no longer. */
  readonly lost: () => void;
  /** A newer member of the same instance is there: this one may not come back. */
  readonly replaced: () => void;
}

interface Member {
  readonly id: string;
  readonly options: GroupOptions;
  readonly events: MemberEvents;
  /** Set while the member waits for the next generation. */
  waiting: { resolve(joined: Joined): void; reject(error: unknown): void } | null;
  lastSeenMs: number;
  silent: boolean;
  stopHeartbeats: () => void;
}

export interface GroupWiring {
  readonly clock: BrokerClock;
  /** Keeps generation and member count for good. */
  readonly save: (group: string, entry: GroupEntry) => void;
}

/**
 * One consumer group: members join, a generation begins once all of them have joined anew, the
 * leader (the first by id) assigns. Members that do not rejoin in time, or fall silent, are out.
 */
export class GroupCoordinator {
  readonly name: string;
  readonly #wiring: GroupWiring;
  readonly #members = new Map<string, Member>();
  #generation: number;
  #memberCount: number;
  #joining = false;
  #cancelRound: () => void = () => {};

  constructor(name: string, entry: GroupEntry, wiring: GroupWiring) {
    this.name = name;
    this.#wiring = wiring;
    this.#generation = entry.generation;
    this.#memberCount = entry.members;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** Joins as a new member, or again as the one of an identity if the group still knows it. */
  join(
    previous: MemberIdentity | null,
    options: GroupOptions,
    events: MemberEvents,
  ): Promise<Joined> {
    return new Promise((resolve, reject) => {
      const known = previous === null ? undefined : this.#members.get(previous.memberId);
      const member = known ?? this.#add(options, events);
      member.waiting = { resolve, reject };
      this.#startRound();
    });
  }

  leave({ memberId }: MemberIdentity): void {
    const member = this.#members.get(memberId);
    if (member === undefined) return;
    this.#remove(member);
    if (this.#members.size > 0) this.#startRound();
    else this.#nextGeneration();
  }

  /** @throws {MillraceError} UNKNOWN_MEMBER, ILLEGAL_GENERATION. */
  check({ memberId, generation }: MemberIdentity): void {
    const group = this.name;
    if (!this.#members.has(memberId)) {
      throw new MillraceError("UNKNOWN_MEMBER", { group, member: memberId });
    }
    if (generation !== this.#generation) {
      throw new MillraceError("ILLEGAL_GENERATION", { group, generation });
    }
  }

  /** Lets a member send no more heartbeats, as a process that hangs would. */
  silence(memberId: string): void {
    const member = this.#members.get(memberId);
    if (member !== undefined) member.silent = true;
  }

  /** Everybody is gone at once, as when their process dies. */
  clear(): void {
    if (this.#members.size === 0) return;
    this.close();
    this.#nextGeneration();
  }

  /** Stops the clocks and sends everybody away. */
  close(): void {
    const request = `a generation of the group ${this.name}`;
    for (const member of [...this.#members.values()]) {
      member.waiting?.reject(new MillraceError("BROKER_CLOSED", { request }));
      this.#remove(member);
    }
    this.#endRound();
  }

  #add(options: GroupOptions, events: MemberEvents): Member {
    const { instanceId } = options;
    for (const other of [...this.#members.values()]) {
      if (instanceId === undefined || other.options.instanceId !== instanceId) continue;
      other.events.replaced();
      this.#evict(other);
    }
    this.#memberCount++;
    const id = `${this.name}-${String(this.#memberCount).padStart(6, "0")}`;
    const member: Member = {
      id,
      options,
      events,
      waiting: null,
      lastSeenMs: this.#wiring.clock.now(),
      silent: false,
      stopHeartbeats: () => {},
    };
    this.#members.set(id, member);
    this.#scheduleHeartbeat(member);
    return member;
  }

  #remove(member: Member): void {
    member.stopHeartbeats();
    this.#members.delete(member.id);
  }

  #evict(member: Member): void {
    this.#remove(member);
    const context = { group: this.name, member: member.id };
    member.waiting?.reject(new MillraceError("UNKNOWN_MEMBER", context));
    queueMicrotask(member.events.lost);
  }

  #startRound(): void {
    if (!this.#joining) {
      this.#joining = true;
      let timeoutMs = 0;
      for (const member of this.#members.values()) {
        timeoutMs = Math.max(
          timeoutMs,
          member.options.rebalanceTimeoutMs ?? defaultRebalanceTimeoutMs,
        );
        queueMicrotask(() => {
          if (member.waiting === null) member.events.lost();
        });
      }
      this.#cancelRound = this.#wiring.clock.after(timeoutMs, () => this.#giveUp());
    }
    // Members that join in the same breath share a generation.
    queueMicrotask(() => this.#completeIfReady());
  }

  /** The round has lasted too long: who has not come back is out. */
  #giveUp(): void {
    for (const member of [...this.#members.values()]) {
      if (member.waiting === null) this.#evict(member);
    }
    this.#completeIfReady();
  }

  #completeIfReady(): void {
    if (!this.#joining) return;
    const members = [...this.#members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    if (members.some((member) => member.waiting === null)) return;
    this.#endRound();
    this.#nextGeneration();
    const leader = members[0];
    if (leader === undefined) return;
    try {
      const shown = new Map(members.map((member) => [member.id, member.options.metadata]));
      const assigned = leader.options.assign(shown);
      for (const member of members) this.#settle(member, assigned.get(member.id));
    } catch (error) {
      for (const member of members) {
        member.waiting?.reject(error);
        this.#remove(member);
      }
    }
  }

  #settle(member: Member, assignment: Buffer = Buffer.alloc(0)): void {
    const identity = { memberId: member.id, generation: this.#generation };
    member.lastSeenMs = this.#wiring.clock.now();
    member.waiting?.resolve({ identity, assignment });
    member.waiting = null;
  }

  #endRound(): void {
    this.#joining = false;
    this.#cancelRound();
  }

  #nextGeneration(): void {
    this.#generation++;
    try {
      this.#wiring.save(this.name, { generation: this.#generation, members: this.#memberCount });
    } catch {
      // A full disk: nobody of this generation outlives the process, so it need not either.
    }
  }

  #scheduleHeartbeat(member: Member): void {
    const { clock } = this.#wiring;
    const sessionMs = member.options.sessionTimeoutMs ?? defaultSessionTimeoutMs;
    const tick = () => {
      if (!member.silent) member.lastSeenMs = clock.now();
      else if (clock.now() - member.lastSeenMs >= sessionMs) {
        this.#evict(member);
        if (this.#members.size > 0) this.#startRound();
        else this.#nextGeneration();
        return;
      }
      member.stopHeartbeats = clock.afterUnlessDone(sessionMs / heartbeatsPerSession, tick);
    };
    member.stopHeartbeats = clock.afterUnlessDone(sessionMs / heartbeatsPerSession, tick);
  }
}
