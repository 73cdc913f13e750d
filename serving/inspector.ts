import { type BatchDesk, batchDeskMethods } from "./batch-desk.ts";
import { type ModelDesk, modelDeskMethods } from "./model-desk.ts";

/** What one can ask about a running or a finished run; answers are plain JSON values. */
export interface Inspector extends ModelDesk, BatchDesk {
  topics(request: TopicsRequest): Promise<TopicReport[]>;
  features(request: FeatureRequest): Promise<FeatureAnswer>;
  /** The features of a view, or of all: how complete each is. */
  columns(request: ColumnsRequest): Promise<ColumnLine[]>;
  deadLetters(request: DeadLetterRequest): Promise<DeadLetterLine[]>;
  /** Of the models that are named; of all where none is. */
  models(request: { readonly names: readonly string[] }): Promise<ModelLine[]>;
  /** One statement of ClickHouse's SQL that only reads; any output format. */
  sql(request: SqlRequest): Promise<string>;
  /** The same in base64: some formats are no text. */
  sqlBytes(request: SqlRequest): Promise<string>;
  config(request: Record<string, never>): Promise<ConfigLine[]>;
  close(): Promise<void>;
}

/** Names of the methods that may be asked for from outside the process. */
export const inspectorMethods = [
  "topics",
  "features",
  "columns",
  "deadLetters",
  "models",
  "sql",
  "sqlBytes",
  "config",
  ...modelDeskMethods,
  ...batchDeskMethods,
] as const;
export type InspectorMethod = (typeof inspectorMethods)[number];

export interface SqlRequest {
  readonly query: string;
  readonly format: string;
  /** Whose database is the current one; null: that of the first topology. */
  readonly topology: string | null;
}

export interface TopicsRequest {
  /** Those alone; all where none is named. */
  readonly names: readonly string[];
  readonly countRecords: boolean;
}

export interface TopicReport {
  readonly name: string;
  readonly role: string;
  readonly partitions: readonly {
    readonly start: number;
    /** Next offset; offsets also number the markers of transactions. */
    readonly end: number;
    /** Committed records, counted by reading; null when not asked for. */
    readonly records: number | null;
  }[];
}

export interface FeatureRequest {
  /** `name` or `name@version`. */
  readonly view: string;
  /** Values of the key fields, in order. */
  readonly key: readonly string[];
  /** Event time of the look-up, UTC ms; null: the view's own progress. */
  readonly at: number | null;
  /** Whose view it is; null: of the only topology that has it. */
  readonly topology: string | null;
}

export interface ColumnsRequest {
  /** `name` or `name@version`; null: all. */
  readonly view: string | null;
}

export interface ColumnLine {
  readonly topology: string;
  /** `name@version`. */
  readonly view: string;
  readonly name: string;
  /** Event time from which on it is right, UTC ms; null: since the topology began. */
  readonly completeSince: number | null;
  /** False: what came before it was added is still being read. */
  readonly filled: boolean;
}

export interface FeatureAnswer {
  readonly topology: string;
  readonly view: string;
  readonly key: string;
  /** Null when nothing is known of the view's partition yet. */
  readonly at: number | null;
  readonly freshness: "FRESH" | "STALE" | "MISSING" | "DEFAULT";
  /** The store that answered. */
  readonly source: "online" | "offline";
  /** How far the view's partition has come. */
  readonly progress: number | null;
  readonly asOf: number | null;
  readonly validUntil: number | null;
  readonly features: readonly {
    readonly name: string;
    /**
     * Instants are UTC ms. A whole number beyond the exact doubles, ±(2^53 − 1), is the text of its
     * digits.
     */
    readonly value: number | string | boolean | null;
    /** Event time from which on it is right, UTC ms; null: since the topology began. */
    readonly completeSince: number | null;
    /** False: what came before it was added is still being read; null in a view that stands. */
    readonly filled: boolean;
  }[];
}

export interface DeadLetterRequest {
  /** Lines at most. */
  readonly limit: number;
  /** Of each original key and value at most so many bytes. */
  readonly bytes: number;
}

/** A record that was refused, by source, partition and offset. */
export interface DeadLetterLine {
  /** The topology that refused it. */
  readonly topology: string;
  readonly source: string;
  readonly partition: number;
  readonly offset: number;
  readonly step: string;
  readonly code: string;
  readonly reason: string;
  /** Of the Kafka record, UTC ms. */
  readonly timestamp: number;
  /** Schema id in the first bytes of the value; null where there is none. */
  readonly schemaId: number | null;
  /** Original headers in order, values as base64. */
  readonly headers: readonly { readonly key: string; readonly value: string | null }[];
  /** Size of the whole key; null: it had none. */
  readonly keyBytes: number | null;
  /** The first bytes of the original key, as many as were asked for. */
  readonly keyBase64: string | null;
  /** Size of the whole value; null: it had none. */
  readonly valueBytes: number | null;
  /** The first bytes of the original value, as many as were asked for. */
  readonly valueBase64: string | null;
}

export interface ModelLine {
  readonly topology: string;
  /** Its name, as in `scoredBy`. */
  readonly model: string;
  readonly version: string;
  readonly promoted: boolean;
  readonly effectiveFrom: string;
  readonly trainedOn: number;
  readonly holdoutAuc: number | null;
  readonly scored: number;
  readonly liveAuc: number | null;
  readonly sha256: string;
  readonly reason: string;
}

export interface ConfigLine {
  readonly name: string;
  readonly value: string;
  readonly origin: string;
}
