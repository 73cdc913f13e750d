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
  return storedValues(view, row).map((stored, i) => {
    const output = columns[i]?.aggregate.output ?? "number";
    return isValueOutput(output) || stored === null ? stored : valueAt(output, Number(stored), q);
  });
}

/** What a row holds, as `featureValues`: of `since` the instant. */
export function storedValues(view: Columns, row: Stored): Scalar[] {
  const others = otherValues(view, row);
  let [number, other] = [0, 0];
  return featureColumns(view).map(({ aggregate: { output } }) => {
    if (isValueOutput(output)) return (others[other++] ?? null) as Scalar;
    const value = row.values[number++] ?? Number.NaN;
    return Number.isNaN(value) ? null : value;
  });
}

function otherValues(view: Columns, { others }: Stored): unknown[] {
  if (others === undefined) return [];
  const reader = new ByteReader(others);
  const values = new RowCodec(valueLayout(view)).readValues(reader);
  if (!reader.done) throw new RangeError("a row has more values than its view has columns");
  return values;
}
