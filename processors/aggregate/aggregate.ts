import type { Condition, Test, Scalar as Value } from "../../schemas/expression.ts";
import type { AggregateSpec, FeatureOutput, ValueOutput } from "../../schemas/feature-view.ts";
import type { Algebra } from "./algebra.ts";
import type { TileAlgebra } from "./tile-algebra.ts";

/**
 * How one feature is computed from the records of a window that have the fields of `R`; `Field` is
 * the one whose values it gives, as they are, where it does.
 */
export interface Aggregate<in R, out Field extends string = string> {
  readonly definition: AggregateDefinition;
  /** Only a type: whose values it gives. */
  readonly __gives?: Field;
  /** Only a type: what the aggregate reads. */
  readonly __reads?: (record: R) => void;
}

/** What a topology says of an aggregate, unchecked. */
export interface AggregateDefinition {
  readonly kind: string;
  readonly field?: string;
  readonly condition?: Condition;
  readonly where?: Condition;
  readonly parameters?: Readonly<Record<string, number>>;
}

/** A record with a numeric field. */
export type Numeric<F extends string> = { readonly [K in F]: number | bigint | null };

/** A record with a field of text, numbers or booleans. */
export type Scalar<F extends string> = {
  readonly [K in F]: string | number | bigint | boolean | null;
};

/** What every aggregate may be told. */
export interface AggregateOptions<R> {
  /** Only records for which it holds are aggregated. @default all */
  readonly where?: Test<R>;
}

/** The definition of an aggregate as a topology writes it. */
export function define<R, Field extends string = never>(
  kind: string,
  what: Omit<AggregateDefinition, "kind" | "where">,
  options: AggregateOptions<never> = {},
): Aggregate<R, Field> {
  const where = options.where?.condition;
  return { definition: { kind, ...what, ...(where && { where }) } };
}

/** An algebra whose state is known to itself alone: give it only states of its `stateName`. */
export type AnyAlgebra = Algebra<object>;
/** A tile algebra whose state is known to itself alone. */
export type AnyTileAlgebra = TileAlgebra<object>;

/** An algebra over values that are no doubles. */
export type AnyValueAlgebra = Algebra<object, Value>;
export type AnyValueTileAlgebra = TileAlgebra<object, Value>;

/** An aggregate of values that are no doubles; null stands for none. */
export interface ValueAggregate {
  readonly exact: AnyValueAlgebra;
  readonly tiled: AnyValueTileAlgebra;
  /** From the definition, over the values that are not null and their times. */
  readonly naive: (values: readonly Value[], times: readonly number[]) => Value;
}

/** What an aggregate computes with: its parameters as the topology gives them. */
export type Parameters = Pick<AggregateSpec, "parameters">;

/** What the SQL form is made of: ClickHouse expressions over the events of one key. */
export interface SqlParts extends Parameters {
  /** The input: a field (a number where one is aggregated), or the truth of a condition. */
  readonly value: string;
  /** Event time, UTC ms. */
  readonly time: string;
  /** Whether an event is in the window, and to be aggregated. */
  readonly inside: string;
}

/**
 * All about one kind of aggregate. Each stands in a file of its own, and `kinds.ts` lists them:
 * whatever else has to know of an aggregate reads it here.
 */
export interface AggregateKind<Define = (...given: never[]) => Aggregate<never>> {
  /** Its name in a topology and in a plan. */
  readonly kind: string;
  /**
   * What it takes of a record: nothing, a numeric field, the truth of a test, what a field is told
   * apart by, be it a number or not, or its value, whatever its type.
   */
  readonly input: "record" | "number" | "truth" | "identity" | "value";
  /** `value`: of the type of its field. */
  readonly output: FeatureOutput | "value";
  /** Its function in `agg`. */
  readonly define: Define;
  /** What is wrong with its parameters; null: nothing. @default nothing can be */
  readonly problem?: (parameters: Parameters) => string | null;
  /** Over the events of a window. */
  readonly exact: (parameters: Parameters) => AnyAlgebra;
  /**
   * Over tiles, which every key may come to that has many events: without this form a key would
   * have no bound, or rows that are wrong beyond one. What no bounded state can tell is a sketch
   * within a stated error (`quantile`, `distinct`); what not even one can is no aggregate.
   */
  readonly tiled: (parameters: Parameters) => AnyTileAlgebra;
  /** From the definition, over the values that are not skipped and their times. */
  readonly naive: (
    values: readonly number[],
    parameters: Parameters,
    times: readonly number[],
  ) => number | null;
  /** Over values of a type that is no double. @default it takes none */
  readonly ofValues?: (type: ValueOutput) => ValueAggregate;
  /** From the definition, in SQL; asked only where there are values. */
  readonly sql: (parts: SqlParts) => string;
  /** In SQL, what the rounding of `sql` is relative to. @default its value, or 1 if that is more */
  readonly sqlMagnitude?: (parts: SqlParts) => string;
  /** Relative difference that rounding alone explains. */
  readonly tolerance: { readonly naive: number; readonly sql: number };
}
