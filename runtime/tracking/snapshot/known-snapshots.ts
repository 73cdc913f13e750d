import { type SnapshotEnd, snapshotFormat } from "../../../schemas/tracking-snapshot.ts";

/** What became of a snapshot here: it was written, or not, or one of the log could not be read. */
export const snapshotResults = ["written", "failed", "unreadable"] as const;
export type SnapshotResult = (typeof snapshotResults)[number];

/** Told of each snapshot that was to be written or read. */
export type Snapshotted = (result: SnapshotResult) => void;

/** What a log has of snapshots, as far as it has been read. */
export interface SnapshotsTold {
  readonly topic: string;
  /** Null: there is none yet. */
  readonly newest: SnapshotEnd | null;
  /** Of commands that the newest does not cover. */
  readonly bytesBehind: number;
}

/** Snapshots that a log has, as far as a reader has seen it. */
export class KnownSnapshots {
  /** What covers most comes first, whoever wrote it when. */
  readonly #all: SnapshotEnd[] = [];
  readonly #unusable = new Set<string>();
  #hasLater = false;

  add(end: SnapshotEnd): void {
    if (end.format > snapshotFormat) this.#hasLater = true;
    if (this.#all.some(({ id }) => id === end.id)) return;
    this.#all.push(end);
    this.#all.sort((a, b) => b.covers - a.covers);
  }

  /** Takes one out that cannot be read: what it covers has to stay in the log. */
  drop({ id }: SnapshotEnd): void {
    this.#unusable.add(id);
  }

  /** Whether a later version of Millrace has written one. */
  get hasLater(): boolean {
    return this.#hasLater;
  }

  /** By which a reader may start, best first: the log has what comes behind them. */
  from(logStart: number): readonly SnapshotEnd[] {
    return this.#all.filter(({ id, covers }) => !this.#unusable.has(id) && covers >= logStart);
  }

  get newest(): SnapshotEnd | null {
    return this.from(0)[0] ?? null;
  }

  /** Below this offset nothing is read again: the snapshot before the newest covers it. */
  get dispensableBelow(): number {
    return this.from(0)[1]?.covers ?? 0;
  }
}
