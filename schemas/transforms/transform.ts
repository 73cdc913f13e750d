import type { Condition } from "../expression.ts";
import type { RowLayout } from "../row-layout.ts";

/** A record by its fields. */
export type Fields = Readonly<Record<string, unknown>>;

/** Where a transform says what is wrong with it, given the records that it is asked about. */
export interface TransformCheck {
  condition(condition: Condition, records: RowLayout): void;
  problem(text: string): void;
}

/** Records in SQL, as a step takes them. */
export interface SqlRecords {
  /** SELECT of a column for each of their fields, and of those that {@link carried} names. */
  readonly select: string;
  /** Columns that are no fields, which what the step yields has too: as they stand in SQL. */
  readonly carried: readonly string[];
}

/**
 * All about one kind of stateless step of a stream. Each stands in a file of its own, and
 * `kinds.ts` lists them: whatever else has to know of one reads it here. It is applied by the task
 * that reads the source, and by whoever recounts what a source must have led to: there in its SQL
 * form, which shares nothing with how it is applied.
 */
export interface TransformKind<Spec extends { readonly kind: string }> {
  readonly kind: Spec["kind"];
  /** Pure: what becomes of a record, null where it is left out. */
  apply(spec: Spec): (record: Fields) => Fields | null;
  /** Fields of the records that it yields; what does not fit is told. */
  layout(spec: Spec, records: RowLayout, check: TransformCheck): RowLayout;
  /** Field of the records taken that a field of those yielded is a copy of; null: none. */
  copied(spec: Spec, field: string): string | null;
  /** Fields of the records taken that it reads. */
  reads(spec: Spec): readonly string[];
  /** Whether every record taken yields one. */
  readonly keepsAll: boolean;
  /** SELECT of the records that it yields, in ClickHouse's SQL. */
  sql(spec: Spec, taken: SqlRecords): string;
  /** Why SQL cannot say it of such records; null where it can. */
  sqlGap(spec: Spec, records: RowLayout): string | null;
  /** As `describe` prints it. */
  text(spec: Spec): string;
}
