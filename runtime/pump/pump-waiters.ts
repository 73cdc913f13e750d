interface Waiter {
  /** By partition the offset below which everything must be stored. */
  readonly offsets: ReadonlyMap<number, number>;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** Those who wait until a pump has stored what they need. */
export class PumpWaiters {
  #waiters: Waiter[] = [];

  get any(): boolean {
    return this.#waiters.length > 0;
  }

  wait(offsets: ReadonlyMap<number, number>): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiters.push({ offsets, done, failed });
    });
  }

  /** The furthest offset that somebody waits for in a partition, 0 when nobody does. */
  wanted(partition: number): number {
    let most = 0;
    for (const { offsets } of this.#waiters) most = Math.max(most, offsets.get(partition) ?? 0);
    return most;
  }

  /** Partitions that somebody waits for. */
  get partitions(): ReadonlySet<number> {
    const partitions = new Set<number>();
    for (const { offsets } of this.#waiters) {
      for (const [partition, offset] of offsets) if (offset > 0) partitions.add(partition);
    }
    return partitions;
  }

  /** Tells those whose offsets are reached. */
  answer(stored: (partition: number) => number): void {
    this.#waiters = this.#waiters.filter(({ offsets, done }) => {
      for (const [partition, offset] of offsets) if (stored(partition) < offset) return true;
      done();
      return false;
    });
  }

  fail(error: unknown): void {
    for (const { failed } of this.#waiters.splice(0)) failed(error);
  }
}
