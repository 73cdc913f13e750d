import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { Scalar } from "../../schemas/expression.ts";
import type { ValueOutput } from "../../schemas/feature-view.ts";
import { valueCodec } from "../../schemas/row-codec.ts";
import { compareKeys } from "../view/key-order.ts";

/** What is to be known of the values of a field by whoever keeps some of them. */
export interface FieldValues<Value> {
  /** Stands where there is no value. */
  readonly none: Value;
  isNone(value: Value): boolean;
  /** The value as it is kept. */
  plain(value: Value): Value;
  /** Negative, 0 or positive; a total order of all values but `none`. */
  compare(a: Value, b: Value): number;
  write(writer: ByteWriter, value: Value): void;
  read(reader: ByteReader): Value;
}

/** Doubles; −0 is 0. */
export const doubles: FieldValues<number> = {
  none: Number.NaN,
  isNone: Number.isNaN,
  plain: (value) => value + 0,
  compare: (a, b) => (a === b ? 0 : a < b ? -1 : 1),
  write: (writer, value) => writer.f64(value),
  read: (reader) => reader.f64(),
};

/**
 * Values of another type: false before true, texts by the bytes of their UTF-8, whole numbers
 * exactly, be they numbers or bigints.
 */
export function valuesOf(type: ValueOutput): FieldValues<Scalar> {
  const codec = valueCodec({ type, nullable: true });
  return {
    none: null,
    isNone: (value) => value === null,
    plain: (value) => value,
    compare: type === "text" ? byBytes : bySize,
    write: (writer, value) => codec.write(writer, value),
    read: (reader) => codec.read(reader) as Scalar,
  };
}

/** Of what is kept of a tile: how many values it has, and one of them with its time. */
export interface ChosenValue<Value> {
  values: number;
  /** Infinite, and the value none, where there are no values. */
  time: number;
  value: Value;
}

/** How a chosen value stands in a snapshot. */
export function chosenCodec<Value>(of: FieldValues<Value>) {
  return {
    write(state: ChosenValue<Value>, writer: ByteWriter): void {
      writer.f64(state.values);
      writer.f64(state.time);
      of.write(writer, state.value);
    },
    read: (reader: ByteReader): ChosenValue<Value> => ({
      values: reader.f64(),
      time: reader.f64(),
      value: of.read(reader),
    }),
  };
}

function byBytes(a: Scalar, b: Scalar): number {
  return compareKeys(a as string, b as string);
}

/** From the definition: values of one type that are not null, the smallest first. */
export function inOrder(values: readonly Scalar[]): Scalar[] {
  const utf8 = (text: Scalar) => Buffer.from(String(text), "utf8");
  return [...values].sort((a, b) =>
    typeof a === "string" ? Buffer.compare(utf8(a), utf8(b)) : bySize(a, b),
  );
}

/** Of two values that are not null. */
function bySize(a: Scalar, b: Scalar): number {
  const [left, right] = [a as number | bigint, b as number | bigint];
  return left < right ? -1 : left > right ? 1 : 0;
}
