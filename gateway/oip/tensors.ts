import { invalid } from "../read-request.ts";

/** A tensor of numbers as it came; null in JSON, and NaN, is a missing value. */
export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float64Array;
}

interface Datatype {
  readonly bytes: number;
  readonly read: (view: DataView, at: number) => number;
}

/** Little-endian, as the protocol says. */
const datatypes: Readonly<Record<string, Datatype>> = {
  BOOL: { bytes: 1, read: (view, at) => (view.getUint8(at) === 0 ? 0 : 1) },
  UINT8: { bytes: 1, read: (view, at) => view.getUint8(at) },
  UINT16: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  UINT32: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  UINT64: { bytes: 8, read: (view, at) => Number(view.getBigUint64(at, true)) },
  INT8: { bytes: 1, read: (view, at) => view.getInt8(at) },
  INT16: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  INT32: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  INT64: { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  FP16: { bytes: 2, read: (view, at) => halfOf(view.getUint16(at, true)) },
  FP32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  FP64: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
};

/** A half-precision number of IEEE 754 by its bits. */
function halfOf(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent < 0x1f) return sign * (1 + fraction / 1_024) * 2 ** (exponent - 15);
  return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
}

/** @throws {MillraceError} REQUEST_INVALID for a type that is none of numbers. */
export function datatypeOf(name: string, where: string): Datatype {
  const found = Object.hasOwn(datatypes, name) ? datatypes[name] : undefined;
  if (found !== undefined) return found;
  const known = Object.keys(datatypes).join(", ");
  return invalid(where, `the datatype ${JSON.stringify(name.slice(0, 20))} is none of ${known}`);
}

/** Numbers that a shape holds. @throws {MillraceError} REQUEST_INVALID where no array can. */
export function sizeOf(shape: readonly number[], where: string): number {
  const size = shape.reduce((product, each) => product * each, 1);
  if (!Number.isSafeInteger(size) || size > 2 ** 31) invalid(where, "it holds too many values");
  return size;
}

/** The values of a tensor in JSON, flat or nested as its shape is. */
export function jsonValues(
  data: unknown,
  shape: readonly number[],
  datatype: string,
  where: string,
): Float64Array {
  datatypeOf(datatype, `${where}.datatype`);
  const size = sizeOf(shape, `${where}.shape`);
  // Nothing is made room for that was not sent.
  const flat: number[] = [];
  const put = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const each of value) put(each);
      return;
    }
    if (flat.length >= size)
      invalid(`${where}.data`, `it has more than the ${size} values of its shape`);
    if (value === null) flat.push(Number.NaN);
    else if (typeof value === "number") flat.push(value);
    else if (typeof value === "boolean") flat.push(value ? 1 : 0);
    else invalid(`${where}.data`, `${JSON.stringify(value)?.slice(0, 60)} is no number`);
  };
  if (!Array.isArray(data)) invalid(`${where}.data`, "it is no list");
  put(data);
  if (flat.length !== size) {
    invalid(`${where}.data`, `it has ${flat.length} values, and its shape ${size}`);
  }
  return Float64Array.from(flat);
}

/** The values of a tensor in the bytes behind the JSON. */
export function binaryValues(
  bytes: Buffer,
  shape: readonly number[],
  datatype: string,
  where: string,
): Float64Array {
  const type = datatypeOf(datatype, `${where}.datatype`);
  const size = sizeOf(shape, `${where}.shape`);
  if (bytes.length !== size * type.bytes) {
    const given = `it has ${bytes.length} bytes`;
    invalid(where, `${given}, and ${size} values of ${datatype} have ${size * type.bytes}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Float64Array.from({ length: size }, (_, i) => type.read(view, i * type.bytes));
}

/** Doubles as bytes, little-endian. */
export function doubleBytes(values: Float64Array): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  for (const [i, value] of values.entries()) bytes.writeDoubleLE(value, i * 8);
  return bytes;
}
