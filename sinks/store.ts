import type { FeatureRow } from "../schemas/row.ts";

/**
 * The online store contract: the newest row of each (view, entity), written by sink pumps, read by
 * key. Drivers: `memory.ts`, `embedded.ts` (lmdb), `redis.ts`; one conformance suite.
 */
export interface OnlineStore {
  /**
   * Writes rows of one row-topic partition and its progress, atomically where the store allows.
   * A write loses against a row of the same topic id with a higher offset, and wins against one of
   * another topic id (a recreated topic). Idempotent.
   */
  write(flush: OnlineFlush): Promise<void>;
  /**
   * Rows and the progress of their partitions, in one round trip; answers stand in the order of
   * the keys.
   */
  read(keys: readonly OnlineKey[]): Promise<OnlineEntry[]>;
  /**
   * Next offset behind the last flush of a row-topic partition, all of whose rows are in; null when
   * nothing was ever written of the topic of that id.
   */
  position(view: string, topicId: string, partition: number): Promise<number | null>;
  close(): Promise<void>;
}

export interface OnlineKey {
  /** `name@version`. */
  readonly view: string;
  readonly entityKey: string;
  /** Partition of the row topic that the key belongs to (murmur2 of the key). */
  readonly partition: number;
}

export interface OnlineFlush {
  readonly view: string;
  readonly topicId: string;
  readonly partition: number;
  /** The last row of each key in the flush. */
  readonly rows: readonly {
    readonly entityKey: string;
    readonly offset: number;
    readonly row: FeatureRow;
  }[];
  /** Next offset of the row topic partition after this flush. */
  readonly nextOffset: number;
  /** Event time up to which the partition's rows are complete: rows with asOf < progress are in. */
  readonly progress: number;
  /**
   * Wall-clock ms after which the store may drop a row that was not written again; at reading it
   * would be missing by then. @default rows are kept
   */
  readonly expireAfterMs?: number;
}

export interface OnlineEntry {
  readonly row: FeatureRow | null;
  /** −Infinity when the partition has never been written. */
  readonly progress: number;
}

export type Freshness = "FRESH" | "STALE" | "MISSING" | "DEFAULT";

/** A column of an offline table. `nullable` floats take NaN as NULL. */
export interface OfflineColumn {
  readonly name: string;
  readonly type:
    | "String"
    | "LowCardinality(String)"
    | "Nullable(String)"
    | "Float64"
    | "Nullable(Float64)"
    | "Float32"
    | "UInt8"
    | "Nullable(UInt8)"
    | "UInt16"
    | "UInt32"
    | "Int32"
    | "Int64"
    | "Nullable(Int64)"
    | "Int128"
    | "Nullable(Int128)"
    | "UInt64"
    | "Map(LowCardinality(String), Float64)"
    | "DateTime64(3, 'UTC')"
    | "Nullable(DateTime64(3, 'UTC'))";
  readonly codec?: string;
}

export interface OfflineTable {
  readonly name: string;
  readonly columns: readonly OfflineColumn[];
  /** ORDER BY columns. */
  readonly orderBy: readonly string[];
}

/** A block of rows as RowBinary, cut from one partition's offsets `[first, last]` of a topic. */
export interface OfflineBlock {
  readonly table: OfflineTable;
  readonly rowBinary: Uint8Array;
  readonly rows: number;
  /** `table:topicId:partition:first-last`: the same token is inserted once. */
  readonly token: string;
}

/**
 * The offline store contract (ClickHouse dialect). Drivers: `clickhouse.ts` (@clickhouse/client),
 * `chdb.ts` (the engine in a child process); one conformance suite.
 */
export interface OfflineStore {
  /**
   * The store of one topology, in a database of its own: tables and views that a statement does not
   * qualify are those of it. It shares the connection; closing it closes nothing.
   */
  of(topology: string): OfflineStore;
  /**
   * Creates tables and views that are missing and brings older ones up to date (versioned
   * migrations).
   */
  migrate(tables: readonly OfflineTable[], views: readonly OfflineView[]): Promise<void>;
  /**
   * Resolves when the rows are stored; a retry with the same token and bytes stores nothing twice.
   */
  insert(block: OfflineBlock): Promise<void>;
  /**
   * What a table holds of a topic, told by its rows alone (columns `topic_id`, `partition` and
   * `offset`). Rows without a topic id, of builds that wrote none, count as those of the topic.
   */
  stored(table: OfflineTable, topicId: string): Promise<StoredRows>;
  /**
   * Rows as objects. One statement. Whole numbers of any size are exact: numbers within
   * ±(2^53 − 1), bigints beyond, in lists and tuples too. Doubles are numbers; one in a tuple with
   * a whole number of 64 bits may be a bigint.
   */
  query<Row>(sql: string): Promise<Row[]>;
  /**
   * Text in the format that the statement names, else in this one, e.g. `PrettyCompact`. One
   * statement; for people.
   *
   * @throws {MillraceError} OFFLINE_READ_ONLY when it may only read and is no query.
   */
  queryText(sql: string, format: string, options?: QueryTextOptions): Promise<string>;
  /** The same as bytes: some formats are no text, e.g. `RawBLOB` and `Parquet`. */
  queryBytes(sql: string, format: string, options?: QueryTextOptions): Promise<Buffer>;
  /** Rows as RowBinary, in bounded memory, e.g. for training sets. */
  queryStream(sql: string, onChunk: (chunk: Buffer) => void): Promise<void>;
  close(): Promise<void>;
}

/** Rows of a table by partition of the topic that fills it; a partition without rows is absent. */
export interface StoredRows {
  readonly own: ReadonlyMap<
    number,
    {
      /** Offset behind the last row. */
      readonly next: number;
      readonly rows: number;
    }
  >;
  /** How many rows come from topics of other ids: one of this name that was deleted since. */
  readonly strange: ReadonlyMap<number, number>;
}

export interface QueryTextOptions {
  /** Whether a statement that writes is refused, by its words and by the engine. @default false */
  readonly readOnly?: boolean;
}

export interface OfflineView {
  readonly name: string;
  /** SELECT that defines it; tables that it does not qualify are those of the database. */
  readonly select: string;
}
