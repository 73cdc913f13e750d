/**
 * Room on disk for what a task does not hold in memory: part of its state, as lost as memory when
 * the process ends, and made anew by the restore from its changelog. Synchronous: a processor
 * waits for nothing.
 */
export interface LocalStore {
  get(key: string): Buffer | undefined;
  /** The value is copied. */
  put(key: string, value: Buffer): void;
  remove(key: string): void;
}

/** Where a processor puts what is beyond its share of memory. */
export interface Spill {
  readonly store: LocalStore;
  /** Entries that each of its structures keeps in memory. */
  readonly entries: number;
}
