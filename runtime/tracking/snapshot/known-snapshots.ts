import { type SnapshotEnd, snapshotFormat } from "../../../schemas/tracking-snapshot.ts";

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
