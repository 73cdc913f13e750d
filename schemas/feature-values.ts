import { ByteReader } from "./bytes.ts";
import type { Scalar } from "./expression.ts";
import {
  type FeatureViewSpec,
  featureColumns,
  isValueOutput,
  valueAt,
  valueLayout,
} from "./feature-view.ts";
import type { FeatureRow } from "./row.ts";
import { RowCodec } from "./row-codec.ts";

type Columns = Pick<FeatureViewSpec, "aggregates" | "windows">;
type Stored = Pick<FeatureRow, "values" | "others">;

/**
 * What a row of a view says at q, column by column in their order; null where there is no value.
 *
 * @throws {RangeError} for a row of another view.
 */
export function featureValues(view: Columns, row: Stored, q: number): Scalar[] {
  const columns = featureColumns(view);
  const values = storedValues(view, row);
  for (let i = 0; i < values.length; i++) {
    const output = columns[i]?.aggregate.output ?? "number";
    const stored = values[i] ?? null;
    if (stored !== null && !isValueOutput(output)) values[i] = valueAt(output, Number(stored), q);
  }
  return values;
}

/** What a row holds, as `featureValues`: of `since` the instant. */
export function storedValues(view: Columns, row: Stored): Scalar[] {
  const columns = featureColumns(view);
  const others = otherValues(view, row);
  const values: Scalar[] = [];
  let [number, other] = [0, 0];
  for (const { aggregate } of columns) {
    if (isValueOutput(aggregate.output)) values.push((others[other++] ?? null) as Scalar);
    else {
      const value = row.values[number++] ?? Number.NaN;
      values.push(Number.isNaN(value) ? null : value);
    }
  }
  return values;
}

function otherValues(view: Columns, { others }: Stored): unknown[] {
  if (others === undefined) return [];
  const reader = new ByteReader(others);
  const values = codecOf(view).readValues(reader);
  if (!reader.done) throw new RangeError("a row has more values than its view has columns");
  return values;
}

function codecOf(view: Columns): RowCodec {
  let codec = codecs.get(view);
  if (codec === undefined) {
    codec = new RowCodec(valueLayout(view));
    codecs.set(view, codec);
  }
  return codec;
}

/** A view is a value: what reads its rows is made once. */
const codecs = new WeakMap<Columns, RowCodec>();
