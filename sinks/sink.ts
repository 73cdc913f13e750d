/** A record as a sink sees it, in the bytes under a reader: it changes with the next one. */
export interface SinkRecord {
  readonly offset: number;
  readonly buffer: Buffer;
  /** −1: the key is null. */
  readonly keyStart: number;
  readonly keyEnd: number;
  /** −1: the value is null. */
  readonly valueStart: number;
  readonly valueEnd: number;
}

/**
 * Rows of one partition that wait to be written together. A block never spans partitions; adding
 * the same records in the same order gives the same bytes.
 */
export interface SinkBlock {
  readonly rows: number;
  readonly bytes: number;
  /** Takes a record; a promise only when something must be looked up first. */
  add(record: SinkRecord): Promise<void> | void;
}

/** Offsets `[first, next)` of one partition of one topic. */
export interface BlockRange {
  readonly topicId: string;
  readonly partition: number;
  readonly first: number;
  readonly next: number;
}

/** What a store holds of one partition of a topic, by the store's own word. */
export interface SinkPosition {
  /** Everything below is stored; null when nothing is. */
  readonly next: number | null;
  /** Rows of the partition. */
  readonly rows: number;
  /** Rows from a partition of a topic of that name that was deleted. */
  readonly strangeRows: number;
}

/** What a pump writes to. Offline and online stores differ only here. */
export interface Sink {
  /** e.g. `offline`; part of the pump's group. */
  readonly name: string;
  /**
   * Whether a retry must send exactly the same range: then the range is committed as pending before
   * it is written, and written again first after a restart.
   */
  readonly exactRange: boolean;
  /** What is stored of the partitions, in their order. */
  positions(topicId: string, partitions: readonly number[]): Promise<SinkPosition[]>;
  open(partition: number): SinkBlock;
  /** Writes a block; resolves when it is stored. Repeating it does no harm. */
  write(block: SinkBlock, range: BlockRange): Promise<void>;
}
