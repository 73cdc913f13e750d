import type { FeatureViewSpec, ViewColumns } from "./feature-view.ts";
import type { FormatSpec } from "./formats/formats.ts";
import type { RouteSpec } from "./route.ts";
import type { RowField, RowLayout, RowType } from "./row-layout.ts";
import type { TimeUnit } from "./source-time.ts";
import type { StepKind, StepOperators, StepSpec, StepSpecs } from "./steps/steps.ts";
import type { SubjectNaming } from "./subjects.ts";

export type {
  EncodedFeatureSpec,
  LookupSpec,
  OutcomeFacts,
  PredictionFacts,
  RequestFeatureSpec,
} from "./steps/predictions.ts";
export type { StepKind, StepSpec, StepSpecs } from "./steps/steps.ts";

/** A source topic: its contract, its clock and how far out of order it may run. */
export interface SourceSpec {
  readonly topic: string;
  /** How its values are written. */
  readonly format: FormatSpec;
  /** On which subject the schemas of its ids are. @default "topic" */
  readonly subjects?: SubjectNaming;
  /** The fields of its records, by their paths. */
  readonly layout: RowLayout;
  /** Field with the event time, UTC ms. */
  readonly timeField: string;
  /** That field holds the timestamp of the Kafka record. @default it is one of the format */
  readonly recordTime?: true;
  /** That field is written as a number in this unit. @default as a timestamp */
  readonly timeUnit?: TimeUnit;
  readonly latenessMs: number;
  /**
   * Replay: what jumps further beyond the stream time of its partition is refused.
   *
   * @default `usualMaxJumpMs`
   */
  readonly maxJumpMs?: number;
  /** The field whose text is the record key and whose murmur2 names the partition. */
  readonly partitionField: string;
  /** True: key and partition are anything; records go to the tasks by the field. */
  readonly repartitioned: boolean;
}

/** An Avro record schema as parsed JSON. */
export interface AvroSchema {
  readonly type: "record";
  readonly name: string;
  readonly namespace?: string;
  readonly aliases?: readonly string[];
  readonly doc?: string;
  readonly fields: readonly {
    readonly name: string;
    readonly type: unknown;
    readonly doc?: string;
    readonly default?: unknown;
  }[];
}

/** Merge order of records known at the same instant: lower first. Timers have {@link timerRank}. */
export const ranks = { answer: 0, lookup: 1, trigger: 1, update: 3 } as const;
/** Timers fire after look-ups and triggers and before updates of their instant. */
export const timerRank = 2;

/** One stream of records into a task: what the tasks of one upstream subtopology send it. */
export interface InputSpec {
  /** e.g. `answers:origin_delays@1`; unique within the subtopology. */
  readonly name: string;
  readonly role: "answer" | "lookup" | "trigger" | "update";
  /** Upstream subtopology. */
  readonly from: string;
  /**
   * `all`: any task of `from` may write to any partition (a channel for each of them);
   * `same`: only the task of the same number does (one channel); `one`: `from` has one task.
   */
  readonly channels: "all" | "same" | "one";
  /**
   * False: live mode takes the records when they come, and waits for none.
   * @default true
   */
  readonly awaited?: boolean;
}

/** Records to the tasks of another subtopology, in the inbox topic of that subtopology. */
export interface InboxOutputSpec {
  readonly kind: "inbox";
  readonly to: string;
  /** Of the inbox there. */
  readonly partitions: number;
  /** Name of the input there. */
  readonly input: string;
  /** `key`: partition by murmur2 of a key; `same`: own number; `every`: to each partition. */
  readonly fanOut: "key" | "same" | "every";
  /**
   * Own inputs that decide this output's progress (its trigger inputs); inputs that are only read
   * do not count. Empty for a source, whose progress is its stream time.
   */
  readonly triggers: readonly string[];
  /** Whether the next timer holds the progress back. */
  readonly timers: boolean;
  readonly lookAheadMs: number;
}

/** Feature rows, one Kafka record a row (`schemas/row.ts`), for the sink pumps. */
export interface RowsOutputSpec {
  readonly kind: "rows";
  readonly topic: string;
  readonly view: string;
}

/** Avro records for the world outside, one a record. */
export interface TopicOutputSpec {
  readonly kind: "topic";
  readonly topic: string;
  readonly schema: AvroSchema;
  /** `same`: partition of the task; `key`: murmur2 of the key. */
  readonly partitioning: "same" | "key";
  /** Fields in wall time, which no re-reading repeats. @default [] */
  readonly measured?: readonly string[];
}

export type OutputSpec = InboxOutputSpec | RowsOutputSpec | TopicOutputSpec;

/** What the tasks of each kind of operator have to know. */
export type OperatorSpecs = StepOperators & {
  /** Routes in the order in which they write. */
  readonly source: { readonly source: SourceSpec; readonly routes: readonly RouteSpec[] };
};

export type OperatorKind = keyof OperatorSpecs;

/** What the tasks of a subtopology do. */
export type OperatorSpec = {
  readonly [K in OperatorKind]: { readonly kind: K; readonly spec: OperatorSpecs[K] };
}[OperatorKind];

/** Whether its tasks read a topic of others, and know no step; all others have an inbox. */
export function readsSource(
  operator: OperatorSpec,
): operator is Extract<OperatorSpec, { readonly kind: "source" }> {
  return operator.kind === "source";
}

/** What the tasks of an operator write of each record, in the order in which they do. */
export function routesIn({ spec }: OperatorSpec): readonly RouteSpec[] {
  const { routes = [] } = spec as { readonly routes?: Routes };
  return Object.values<readonly RouteSpec[] | RouteSpec>(routes).flat();
}

/** Of one thing that an operator yields, or of each of several by name. */
type Routes = readonly RouteSpec[] | Readonly<Record<string, readonly RouteSpec[]>>;

/** What comes into a task and what leaves it; operators go by the indexes. */
export type Ports = Pick<Subtopology, "name" | "partitions" | "inputs" | "outputs">;

/** A part of the topology whose tasks run alike; the task is one partition of it. */
export interface Subtopology {
  /** e.g. `payments`, `card_spending@1`, `predictions`, `retraining`, `training`. */
  readonly name: string;
  readonly operator: OperatorSpec;
  readonly partitions: number;
  /** Of a source that was given partitions: how many it had before, ascending. @default none */
  readonly earlierPartitions?: readonly number[];
  /** `<topology>.<name>.inbox`, or the source topic. */
  readonly inbox: string;
  readonly changelog: string;
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly OutputSpec[];
}

/** A topic that the plan relies on, with the settings it relies on. */
export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly role:
    | "source"
    | "watermarks"
    | "inbox"
    | "changelog"
    | "rows"
    | "output"
    | "late"
    | "dead-letters"
    | "models"
    | "model-register"
    | "tracking"
    | "decisions"
    | "plan";
  /** Kafka topic configuration, e.g. `retention.ms: "-1"`. */
  readonly config: Readonly<Record<string, string>>;
}

/** Whoever takes records of a source answers for each of them: an account a source partition. */
export interface AccountSpec {
  /** What counts: the name of a step. */
  readonly branch: string;
  readonly source: string;
  readonly partitions: number;
}

/** A column of a table, and the field of a record that fills it. */
export interface ColumnSpec extends Omit<RowField, "type"> {
  /** `numbersByText`: what records of two fields each hold, a text and a number; in their order. */
  readonly type: RowType | "numbersByText";
  /** Path of the field, e.g. `features.hour`. @default the name */
  readonly from?: string;
  /** Bits of a whole number: up to 32 it is never negative. @default 64 */
  readonly bits?: 8 | 16 | 32 | 128;
  /** Whether a text has few values. @default false */
  readonly few?: boolean;
  /** Whether values mostly rise from row to row. @default false */
  readonly ascending?: boolean;
}

/** What the offline store keeps of a topic: a table `raw_<name>`, and a view for analysts. */
export interface TableSpec {
  readonly name: string;
  /** Name of the view; of several tables with one it belongs to the newest version. */
  readonly view: string;
  readonly version: number;
  /** Of a feature view: its layout. @default 1 */
  readonly layout?: number;
  readonly columns: readonly ColumnSpec[];
  readonly orderBy: readonly string[];
  /** Columns that the view shows. */
  readonly shown: readonly string[];
  /** Of rows that are equal in these the view shows the one with the highest `seq`; null: all. */
  readonly lastBy: readonly string[] | null;
  /** Columns that are being filled elsewhere: the view shows them as null. @default none */
  readonly filling?: readonly ColumnSpec[];
  /** Of rows that came before an event time, UTC ms, the view shows those of another table. */
  readonly earlier?: { readonly than: number; readonly table: TableSpec };
}

/** What the online store keeps of a topic of rows: the last row of each entity. */
export interface OnlineSpec {
  /** `name@version`. */
  readonly view: string;
  /** Event time after which a row is no longer served. */
  readonly ttlMs: number;
}

/** A topic that goes into stores. */
export interface StoredTopic {
  readonly topic: string;
  /** How its values are written: as rows (`schemas/row.ts`), or as Avro of a schema. */
  readonly values:
    | {
        readonly kind: "rows";
        readonly keyFields: number;
        /** Columns that hold other values than doubles (`valueLayout`). @default none */
        readonly others?: RowLayout;
      }
    | { readonly kind: "avro"; readonly schema: AvroSchema };
  readonly table: TableSpec | null;
  readonly online: OnlineSpec | null;
}

/** What is known of a view that was added to a topology after it had run. */
export interface Growth {
  /** By column the event time, UTC ms, from which on it is right; null: from the beginning on. */
  readonly completeSince: Readonly<Record<string, number | null>>;
  /** Whether it has come as far as what stood before. */
  readonly cutOver: boolean;
}

/** The layout of a view as it stood before columns were added to it. */
export interface Widened {
  readonly view: FeatureViewSpec;
  readonly table: TableSpec | null;
  /** Name of the plan that fills it. */
  readonly strand: string;
  /** Where it was filled beside another one itself. @default it was there from the start */
  readonly growth?: Growth;
  readonly widens?: Widened;
}

/** A built topology: frozen, comparable, connected to nothing. */
export interface Plan {
  readonly name: string;
  /** Of a strand: the topology whose tables and keys are its own. @default its name */
  readonly topology?: string;
  /** Of a strand: how far it is. @default it is none */
  readonly growth?: Growth;
  /** Of a strand that adds columns to a view: what serves them until it is cut over. */
  readonly widens?: Widened;
  /**
   * The same steps over views with other columns: as they stood, or in another layout.
   *
   * @throws {MillraceError} TOPOLOGY_INVALID when a step names a column that is not there.
   */
  readonly withColumns?: (columns: ReadonlyMap<string, ViewColumns>) => Plan;
  readonly partitions: number;
  readonly guarantee: "exactly-once" | "at-least-once";
  readonly sources: readonly SourceSpec[];
  readonly steps: readonly StepSpec[];
  /** Who answers for the records of which source. */
  readonly accounts: readonly AccountSpec[];
  /** What goes into which store. */
  readonly stored: readonly StoredTopic[];
  readonly subtopologies: readonly Subtopology[];
  readonly topics: readonly TopicSpec[];
  /** Another plan has another: sha256 of `describe()`; of what is cut out of a plan, of itself. */
  readonly fingerprint: string;
}

/** The topology that a plan is, or is a strand of: its tables, keys and artifacts. */
export function topologyOf({ name, topology }: Pick<Plan, "name" | "topology">): string {
  return topology ?? name;
}

/** The specs of all steps of a kind, in the order of the plan. */
export function stepsOf<K extends StepKind>(
  { steps }: Pick<Plan, "steps">,
  kind: K,
): readonly StepSpecs[K][] {
  return steps.flatMap((step) => (step.kind === kind ? [step.spec as StepSpecs[K]] : []));
}
