import type { Condition } from "./expression.ts";
import type { RowLayout, ScalarType } from "./row-layout.ts";
import type { TransformSpec } from "./transforms/through.ts";

/** What stands in a column as a double: NaN is null, in all but counts. */
type NumberOutput = "count" | "number" | "since";
/** What stands in a column as a value of its own type, or null. */
export type ValueOutput = Exclude<ScalarType, "number">;

/**
 * What a column of a view holds: a whole number that is never null; a number; an instant, UTC ms,
 * which is read at q as the time that has passed since (`valueAt`); or a value of a field that is
 * no double, as it was.
 */
export type FeatureOutput = NumberOutput | ValueOutput;

/** Whether a column holds values of their own type, and not doubles. */
export function isValueOutput(output: FeatureOutput): output is ValueOutput {
  return output !== "count" && output !== "number" && output !== "since";
}

/** One feature of a view before it is fanned out over the windows. */
export interface AggregateSpec {
  /** The name the topology gives it, e.g. `delayMean`. */
  readonly name: string;
  /** One of `processors/aggregate/kinds.ts`, which says what else it needs. */
  readonly kind: string;
  readonly output: FeatureOutput;
  /** The field that is aggregated. */
  readonly field?: string;
  /** Whether values of the field are only told apart: a number stands for each text. */
  readonly identity?: true;
  /** The condition whose truth is aggregated. */
  readonly condition?: Condition;
  /** Only records for which it holds are aggregated. */
  readonly where?: Condition;
  /** Numbers by name, e.g. the probability of a quantile. */
  readonly parameters?: Readonly<Record<string, number>>;
}

export interface WindowSpec {
  /** As written, e.g. `24h`; part of the column name. */
  readonly label: string;
  /** Length in ms; a window at q covers `[q − lengthMs, q)`. */
  readonly lengthMs: number;
}

export interface FeatureViewSpec {
  /** Without version, e.g. `origin_delays`. */
  readonly name: string;
  /** ≥ 1; `name@version` is the identity. */
  readonly version: number;
  /** Source topic whose records update it. */
  readonly source: string;
  /** What its records go through first. @default nothing */
  readonly through?: readonly TransformSpec[];
  /** Fields whose values make the entity key, in order. */
  readonly keyFields: readonly string[];
  readonly aggregates: readonly AggregateSpec[];
  /** Ascending lengths. */
  readonly windows: readonly WindowSpec[];
  /** Event time after which a row is no longer served. */
  readonly ttlMs: number;
  /** Raw events kept a key before tiles serve it. @default 4096 */
  readonly exactLimit: number;
  readonly stores: readonly ("online" | "offline")[];
  /**
   * Which set of its columns this is: one more each time that columns were added while it ran.
   * @default 1
   */
  readonly layout?: number;
}

/** What a view computes: what may be more of in another layout of it. */
export type ViewColumns = Pick<FeatureViewSpec, "aggregates" | "windows" | "layout">;

/** `name@version`: identity of a view. */
export function viewId(view: FeatureViewSpec): string {
  return `${view.name}@${view.version}`;
}

/** Table of the rows of a view in the offline store. */
export function viewTable(view: Pick<FeatureViewSpec, "name" | "version" | "layout">): string {
  return `raw_${tableName(view)}`;
}

/** Of rows in the layout, for they have other columns than those of others. */
export function tableName({
  name,
  version,
  layout = 1,
}: Pick<FeatureViewSpec, "name" | "version" | "layout">): string {
  return `${name}_v${version}${layout === 1 ? "" : `_l${layout}`}`;
}

/** What the rows of a view go by in the online store: those of a layout by it, too. */
export function onlineName(view: FeatureViewSpec): string {
  const { layout = 1 } = view;
  return `${viewId(view)}${layout === 1 ? "" : `.l${layout}`}`;
}

export interface FeatureColumn {
  /** `delay_mean_1h`: snake case of the name, and the window. */
  readonly column: string;
  readonly aggregate: AggregateSpec;
  readonly window: WindowSpec;
}

/**
 * Columns of a view in the one order used by rows, answers, tables and feature vectors: aggregate
 * by aggregate, window by window.
 */
export function featureColumns(
  view: Pick<FeatureViewSpec, "aggregates" | "windows">,
): readonly FeatureColumn[] {
  let columns = columnsOf.get(view);
  if (columns === undefined) {
    columns = view.aggregates.flatMap((aggregate) =>
      view.windows.map((window) => ({
        column: `${snakeCase(aggregate.name)}_${window.label}`,
        aggregate,
        window,
      })),
    );
    columnsOf.set(view, columns);
  }
  return columns;
}

/** A view is a value, and asked for its columns by each task and each row that is read. */
const columnsOf = new WeakMap<object, readonly FeatureColumn[]>();

/** The columns that hold doubles, in their order. */
export function numberColumns(
  view: Pick<FeatureViewSpec, "aggregates" | "windows">,
): readonly FeatureColumn[] {
  return featureColumns(view).filter(({ aggregate }) => !isValueOutput(aggregate.output));
}

/** The other columns, in their order: the layout in which they follow the doubles of a row. */
export function valueLayout(view: Pick<FeatureViewSpec, "aggregates" | "windows">): RowLayout {
  return {
    fields: featureColumns(view).flatMap(({ column, aggregate: { output } }) =>
      isValueOutput(output) ? [{ name: column, type: output, nullable: true }] : [],
    ),
  };
}

/** `delayMean` → `delay_mean`. */
export function snakeCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
}

/** What of a record is aggregated. */
export type AggregateInput = Pick<AggregateSpec, "field" | "identity" | "condition" | "where"> & {
  /** Type of the field's values, where they are no doubles. */
  readonly type?: ValueOutput;
};

export interface AggregateInputs {
  readonly inputs: readonly AggregateInput[];
  /** For each aggregate its index in `inputs`; −1 for one that needs none. */
  readonly indexOf: readonly number[];
}

/**
 * Inputs of aggregates, as computed once at the source for each record: the distinct fields and
 * conditions, in order of first use. Of aggregates over numbers they are sent as numbers (NaN =
 * null, or not aggregated); behind them those of the others, each as a value of its type, or null.
 */
export function aggregateInputs(aggregates: readonly AggregateSpec[]): AggregateInputs {
  const inputs: AggregateInput[] = [];
  const indexOf = aggregates.map((aggregate) => {
    const { field, identity, condition, where, output } = aggregate;
    const type = isValueOutput(output) ? output : undefined;
    if (field === undefined && condition === undefined && where === undefined) return -1;
    const found = inputs.findIndex(
      (each) =>
        each.field === field &&
        each.identity === identity &&
        each.condition === condition &&
        each.where === where &&
        each.type === type,
    );
    if (found >= 0) return found;
    const input = {
      ...(field !== undefined && { field }),
      ...(identity && { identity }),
      ...(condition && { condition }),
      ...(where && { where }),
      ...(type && { type }),
    };
    return inputs.push(input) - 1;
  });
  return { inputs, indexOf };
}

/** Aggregates over doubles, and those over values of other types: each kind has its own inputs. */
export function partAggregates(aggregates: readonly AggregateSpec[]): {
  readonly numbers: readonly AggregateSpec[];
  readonly values: readonly AggregateSpec[];
} {
  return {
    numbers: aggregates.filter(({ output }) => !isValueOutput(output)),
    values: aggregates.filter(({ output }) => isValueOutput(output)),
  };
}

/** What a stored double of a column says at q: of an instant the ms since; NaN stays NaN. */
export function valueAt(output: FeatureOutput, stored: number, q: number): number {
  return output === "since" ? q - stored : stored;
}

/** Entity key text of field values: the value itself, or the values joined by `|` (`\` escapes). */
export function entityKey(values: readonly unknown[]): string {
  if (values.length === 1) return String(values[0]);
  return values.map((value) => String(value).replace(/[\\|]/g, "\\$&")).join("|");
}

/** The field values of an entity key, the inverse of {@link entityKey} for text values. */
export function entityKeyParts(key: string, fields: number): string[] {
  if (fields === 1) return [key];
  return [...key.matchAll(/((?:\\.|[^\\|])*)(?:\||\\?$)/gs)]
    .slice(0, fields)
    .map((match) => (match[1] ?? "").replace(/\\(.)/gs, "$1"));
}
