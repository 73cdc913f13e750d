/** One field of a protobuf message: a whole number, or the bytes of all else. */
export interface WireField {
  readonly field: number;
  /** Of a varint; 0 of all else. */
  readonly number: bigint;
  /** Of texts, bytes, messages, packed numbers and fixed-width values. */
  readonly bytes: Uint8Array;
}

const none = new Uint8Array();

/**
 * The fields of a protobuf message in their order, unknown ones included.
 *
 * @throws {RangeError} where the bytes are no message.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export function* wireFields(bytes: Uint8Array): Generator<WireField> {
  let at = 0;
  /** Most numbers are of a few bytes, which need no BigInt. */
  const varint = (): number | bigint => {
    let small = 0;
    for (let index = 0; index < 4; index++) {
      const byte = bytes[at + index];
      if (byte === undefined) break;
      small |= (byte & 127) << (index * 7);
      if (byte >= 128) continue;
      at += index + 1;
      return small;
    }
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError("the message is cut off");
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new RangeError("a number has no end");
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw new RangeError("the message is cut off");
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [field, wire] = [tag >>> 3, tag & 7];
    if (field === 0) throw new RangeError("a field has no number");
    if (wire === 0) yield { field, number: BigInt(varint()), bytes: none };
    else if (wire === 1) yield { field, number: 0n, bytes: take(8) };
    else if (wire === 2) yield { field, number: 0n, bytes: take(Number(varint())) };
    else if (wire === 5) yield { field, number: 0n, bytes: take(4) };
    else throw new RangeError(`there is no wire type ${wire}`);
  }
}

/** Numbers of a repeated field, packed or not. */
export function wireNumbers({ number, bytes }: WireField): bigint[] {
  if (bytes.length === 0) return [number];
  const numbers: bigint[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte >= 128) continue;
    numbers.push(BigInt.asIntN(64, value));
    value = 0n;
    shift = 0n;
  }
  return numbers;
}

/** A length-delimited field: a text, or a message of encoded parts. */
export function wireBytes(field: number, value: string | readonly Uint8Array[]): Buffer {
  const content = typeof value === "string" ? Buffer.from(value, "utf8") : Buffer.concat(value);
  return Buffer.concat([wireVarint((field << 3) | 2), wireVarint(content.length), content]);
}

/** A field with a whole number from 0 on. */
export function wireNumber(field: number, value: number): Buffer {
  return Buffer.concat([wireVarint(field << 3), wireVarint(value)]);
}

function wireVarint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  bytes.push(left);
  return Buffer.from(bytes);
}
