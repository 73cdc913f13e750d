import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { Scalar } from "../../schemas/expression.ts";
import {
  type AggregateSpec,
  aggregateInputs,
  type FeatureViewSpec,
  partAggregates,
  valueLayout,
} from "../../schemas/feature-view.ts";
import { RowCodec } from "../../schemas/row-codec.ts";
import type { RowField } from "../../schemas/row-layout.ts";
import type { ValueAggregate } from "../aggregate/aggregate.ts";
import { aggregateKind } from "../aggregate/registry.ts";
import { type Measure, measuresOf } from "./measures.ts";

/** The inputs of an event that are no doubles; null where one is not aggregated. */
export type EventValues = readonly Scalar[];

/** Of every event where a view has no such inputs. */
export const noValues: EventValues = Object.freeze([]);

/** The columns of a view that hold values of their own types, not doubles. */
export class ValueColumns {
  readonly columns: number;
  readonly aggregates: readonly AggregateSpec[];
  readonly #inputs: RowCodec | null;
  readonly #row: RowCodec;

  constructor(view: FeatureViewSpec) {
    const layout = valueLayout(view);
    this.columns = layout.fields.length;
    this.aggregates = partAggregates(view.aggregates).values;
    const inputs = aggregateInputs(this.aggregates).inputs.flatMap(({ type }, i): RowField[] =>
      type === undefined ? [] : [{ name: String(i), type, nullable: true }],
    );
    this.#inputs = inputs.length === 0 ? null : new RowCodec({ fields: inputs });
    this.#row = new RowCodec(layout);
  }

  /** Whether events have such inputs: where not, nothing of them is kept. */
  get areKept(): boolean {
    return this.#inputs !== null;
  }

  /** The inputs of one event. */
  readEvent(reader: ByteReader): EventValues {
    return this.#inputs === null ? noValues : (this.#inputs.readValues(reader) as Scalar[]);
  }

  writeEvent(values: EventValues, writer: ByteWriter): void {
    this.#inputs?.writeValues(writer, values);
  }

  /** The columns of a key, as they follow the doubles of a row and of an answer. */
  writeColumns(values: readonly Scalar[], writer: ByteWriter): void {
    this.#row.writeValues(writer, values);
  }
}

/** The measures of values, as `measuresOf` has those of doubles. */
export function valueMeasures<Kept extends "exact" | "tiled">(
  aggregates: readonly AggregateSpec[],
  kept: Kept,
): {
  readonly measures: readonly Measure<ValueAggregate[Kept]>[];
  readonly algebras: readonly ValueAggregate[Kept][];
  readonly measureOf: readonly number[];
} {
  return measuresOf<ValueAggregate[Kept]>(aggregates, (spec) => valueAggregate(spec)[kept]);
}

/** @throws {RangeError} for a kind that takes doubles alone, which no plan has. */
function valueAggregate({ kind, output }: AggregateSpec): ValueAggregate {
  const found = aggregateKind(kind).ofValues?.(output as never);
  if (found === undefined) throw new RangeError(`${kind} gives no ${output}`);
  return found;
}
