/** Lanes of requests, in the order in which they are served. */
export const lanes = ["high", "normal", "low"] as const;
export type Lane = (typeof lanes)[number];

/** What nobody waits for goes last, however old it is. */
export type QueueLane = Lane | "spare";

const laneRanks: Readonly<Record<QueueLane, number>> = { high: 0, normal: 1, low: 2, spare: 3 };
const laneCount = 4;

/** A request goes one lane up each time it has waited for so long: no lane of them starves, ms. */
export const laneAgeMs = 100;

/** What the queue knows of a request. Times are of one clock that never goes back, ms. */
export interface Queued {
  /** Requests of one key may go together. */
  readonly key: string;
  readonly rows: number;
  readonly bytes: number;
  readonly lane: QueueLane;
  readonly since: number;
  /** Infinity: however long it takes. */
  readonly deadlineAt: number;
}

/** Of a batch, but for a request of more. */
export interface BatchLimits {
  readonly rows: number;
  readonly bytes: number;
  /** How long a request waits for others, ms. */
  readonly delayMs: number;
}

/** Share of the newest batch in the time that batches of its key are taken to need. */
const newestShare = 0.2;

/** Keys without a request whose time is remembered. */
const idleGroupsMost = 64;

/** Requests of one key. */
interface Group<Each> {
  /** By lane, oldest first. */
  readonly lanes: readonly [Set<Each>, Set<Each>, Set<Each>, Set<Each>];
  rows: number;
  bytes: number;
  /** When its next batch is due unless it is full before; NaN: to be computed again. */
  dueAt: number;
  /** What a batch of it needs, ms. */
  batchMs: number;
}

/**
 * Requests that wait for their batch, by key and lane. A key's batch is due when it has as many
 * rows or bytes as one takes, its oldest request has waited for the delay, or a deadline leaves no
 * more than the time that batches of the key need. Pure: whoever asks says what time it is.
 */
export class RowQueue<Each extends Queued> {
  readonly #limits: BatchLimits;
  readonly #groups = new Map<string, Group<Each>>();
  /** By lane. */
  readonly #rows: [number, number, number, number] = [0, 0, 0, 0];
  #size = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  /** Requests. */
  get size(): number {
    return this.#size;
  }

  get rows(): number {
    return this.#rows.reduce((sum, rows) => sum + rows, 0);
  }

  rowsOf(lane: QueueLane): number {
    return this.#rows[laneRanks[lane]] as number;
  }

  add(each: Each): void {
    const group = this.#group(each.key);
    const lane = laneRanks[each.lane];
    group.lanes[lane]?.add(each);
    group.rows += each.rows;
    group.bytes += each.bytes;
    // NaN stays NaN.
    group.dueAt = Math.min(group.dueAt, this.#dueAt(each, group));
    this.#rows[lane] = (this.#rows[lane] as number) + each.rows;
    this.#size++;
  }

  /** Whether it waited until now. */
  remove(each: Each): boolean {
    const group = this.#groups.get(each.key);
    const lane = laneRanks[each.lane];
    if (group?.lanes[lane]?.delete(each) !== true) return false;
    group.rows -= each.rows;
    group.bytes -= each.bytes;
    if (group.rows === 0) group.dueAt = Number.POSITIVE_INFINITY;
    else if (this.#dueAt(each, group) <= group.dueAt) group.dueAt = Number.NaN;
    this.#rows[lane] = (this.#rows[lane] as number) - each.rows;
    this.#size--;
    return true;
  }

  /**
   * When the next batch is due; -Infinity: one is full; Infinity: nothing waits.
   *
   * @param spares - whether what is spare may go. @default true
   */
  dueAt(spares = true): number {
    let first = Number.POSITIVE_INFINITY;
    for (const group of this.#groups.values()) {
      if (spares || !isSpare(group)) first = Math.min(first, this.#groupDueAt(group));
    }
    return first;
  }

  /**
   * The requests of the next batch: of the key that is due and whose most urgent request comes
   * first by lane and then by age, as many as fit; empty where none is due. A request is never
   * parted.
   *
   * @param flushes - whether all are due. @default false
   * @param spares - whether what is spare may go. @default true
   */
  take(now: number, flushes = false, spares = true): Each[] {
    let best: Group<Each> | null = null;
    let [leastRank, leastSince]: [number, number] = [laneCount, Number.POSITIVE_INFINITY];
    for (const group of this.#groups.values()) {
      if (!spares && isSpare(group)) continue;
      if (group.rows === 0 || (!flushes && this.#groupDueAt(group) > now)) continue;
      const { rank, since } = this.#heads(group, now)[0] as Head;
      if (rank > leastRank || (rank === leastRank && since >= leastSince)) continue;
      [best, leastRank, leastSince] = [group, rank, since];
    }
    return best === null ? [] : this.#takeOf(best, now);
  }

  /** The oldest request of the last lane, unless that comes before `lane`; null: there is none. */
  lastOf(lane: QueueLane): Each | null {
    for (let at = laneCount - 1; at >= laneRanks[lane]; at--) {
      if (this.#rows[at] === 0) continue;
      let oldest: Each | null = null;
      for (const group of this.#groups.values()) {
        for (const each of group.lanes[at] ?? []) {
          if (oldest === null || each.since < oldest.since) oldest = each;
          break;
        }
      }
      return oldest;
    }
    return null;
  }

  /** Takes how long a batch of a key took. */
  took(key: string, ms: number): void {
    const group = this.#groups.get(key);
    if (group === undefined) return;
    group.batchMs += newestShare * (ms - group.batchMs);
    if (group.rows > 0) group.dueAt = Number.NaN;
  }

  #takeOf(group: Group<Each>, now: number): Each[] {
    const taken: Each[] = [];
    let [rows, bytes] = [0, 0];
    for (const { lane } of this.#heads(group, now)) {
      for (const each of group.lanes[lane] as Set<Each>) {
        const isOver =
          rows + each.rows > this.#limits.rows || bytes + each.bytes > this.#limits.bytes;
        if (rows > 0 && isOver) return taken;
        this.remove(each);
        taken.push(each);
        rows += each.rows;
        bytes += each.bytes;
      }
    }
    return taken;
  }

  /** The oldest of each lane, the most urgent one first. */
  #heads(group: Group<Each>, now: number): Head[] {
    const heads: Head[] = [];
    for (const [lane, waiting] of group.lanes.entries()) {
      for (const { since } of waiting) {
        const aged = Math.max(0, lane - Math.floor((now - since) / laneAgeMs));
        const rank = lane === laneRanks.spare ? lane : aged;
        heads.push({ lane, rank, since });
        break;
      }
    }
    return heads.sort((a, b) => a.rank - b.rank || a.since - b.since);
  }

  #groupDueAt(group: Group<Each>): number {
    const { rows, bytes } = this.#limits;
    if (group.rows >= rows || group.bytes >= bytes) return Number.NEGATIVE_INFINITY;
    if (Number.isNaN(group.dueAt)) {
      group.dueAt = Number.POSITIVE_INFINITY;
      for (const lane of group.lanes) {
        for (const each of lane) group.dueAt = Math.min(group.dueAt, this.#dueAt(each, group));
      }
    }
    return group.dueAt;
  }

  #dueAt({ since, deadlineAt }: Each, { batchMs }: Group<Each>): number {
    return Math.min(since + this.#limits.delayMs, deadlineAt - batchMs);
  }

  #group(key: string): Group<Each> {
    const found = this.#groups.get(key);
    if (found !== undefined) return found;
    if (this.#groups.size >= idleGroupsMost) {
      for (const [idle, { rows }] of this.#groups) if (rows === 0) this.#groups.delete(idle);
    }
    const group: Group<Each> = {
      lanes: [new Set(), new Set(), new Set(), new Set()],
      ...{ rows: 0, bytes: 0, dueAt: Number.POSITIVE_INFINITY, batchMs: 0 },
    };
    this.#groups.set(key, group);
    return group;
  }
}

/** What is spare has keys of its own: it makes no other batch longer. */
function isSpare<Each>({ lanes: [, , , spare] }: Group<Each>): boolean {
  return spare.size > 0;
}

/** The oldest of a lane. */
interface Head {
  readonly lane: number;
  /** The lane that it has come to by its age. */
  readonly rank: number;
  readonly since: number;
}
