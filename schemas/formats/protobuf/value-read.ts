import { decimalNumber } from "../avro/logical.ts";
import { type ProtoType, type Scalar, scalarWire, wireClassOf } from "./proto-types.ts";
import { fail, type WireInput, wireTypes } from "./wire-input.ts";

/** Reads the value behind a tag. */
export type Read = (input: WireInput) => unknown;

const scalarReads: Readonly<Record<Scalar, Read>> = {
  int32: (input) => input.signed(),
  int64: (input) => input.signed(),
  uint32: (input) => input.unsigned(),
  uint64: (input) => input.unsigned(),
  sint32: (input) => input.zigzag(),
  sint64: (input) => input.zigzag(),
  bool: (input) => input.bool(),
  fixed32: (input) => input.fixed32(),
  sfixed32: (input) => input.sfixed32(),
  float: (input) => input.float(),
  fixed64: (input) => input.fixed64(),
  sfixed64: (input) => input.sfixed64(),
  double: (input) => input.double(),
  string: (input) => input.text(),
  bytes: (input) => input.base64(),
};

const wireOf = {
  varint: wireTypes.varint,
  zigzag: wireTypes.varint,
  fixed32: wireTypes.fixed32,
  float: wireTypes.fixed32,
  fixed64: wireTypes.fixed64,
  double: wireTypes.fixed64,
  bytes: wireTypes.bytes,
  message: wireTypes.bytes,
} as const;

/** The wire type of values of a type, each behind a tag of its own. */
export function wireTypeOf(type: ProtoType): number {
  return wireOf[wireClassOf(type)];
}

/** How values of a writer's type are read as a reader's of the same class. */
export function valueRead(type: ProtoType, as: ProtoType): Read {
  switch (type.kind) {
    case "enum":
      return enumRead(type.name, type.values);
    case "timestamp":
      return readTimestamp;
    case "decimal":
      return readDecimal;
    case "wrapper":
      return wrapperRead(type.of);
    case "message":
      return fail(`the message ${type.name} is no value`);
    case "scalar": {
      if (type.name === "bool" || scalarWire[type.name] === "bytes") return scalarReads[type.name];
      // The writer knows whether its numbers have a sign.
      if (as.kind === "scalar")
        return as.name === "bool" ? scalarReads.int32 : scalarReads[as.name];
      return (input) => input.int32();
    }
  }
}

function enumRead(name: string, values: Readonly<Record<string, number>>): Read {
  const names = new Map<number, string>();
  // Of names for one number the first counts.
  for (const [each, number] of Object.entries(values)) {
    if (!names.has(number)) names.set(number, each);
  }
  return (input) => {
    const number = input.int32();
    return names.get(number) ?? fail(`${number} is no value of ${name}`);
  };
}

/** The years 1 to 9999, in seconds. */
const [firstSecond, lastSecond] = [-62_135_596_800, 253_402_300_799];

/** UTC ms, rounded towards the past. */
function readTimestamp(input: WireInput): number {
  const end = input.descend();
  let seconds: number | bigint = 0;
  let nanos = 0;
  while (input.position < input.end) {
    const tag = input.tag();
    if (tag === (1 << 3) + wireTypes.varint) seconds = input.signed();
    else if (tag === (2 << 3) + wireTypes.varint) nanos = input.int32();
    else input.skip(tag);
  }
  input.ascend(end);
  if (seconds < firstSecond || seconds > lastSecond || nanos < 0 || nanos > 999_999_999) {
    fail(`${seconds} s and ${nanos} ns are no timestamp in the years 1 to 9999`);
  }
  return Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000);
}

/** The nearest double. */
function readDecimal(input: WireInput): number {
  const end = input.descend();
  let digits: Buffer = Buffer.alloc(0);
  let scale = 0;
  while (input.position < input.end) {
    const tag = input.tag();
    if (tag === (1 << 3) + wireTypes.bytes) digits = input.bytes();
    else if (tag === (3 << 3) + wireTypes.varint) scale = input.int32();
    else input.skip(tag);
  }
  input.ascend(end);
  const value = decimalNumber(digits, scale);
  return Number.isFinite(value) ? value : fail("it is a decimal that no double can hold");
}

function wrapperRead(of: Scalar): Read {
  const read = scalarReads[of];
  const wire = wireTypeOf({ kind: "scalar", name: of });
  const missing = of === "bool" ? false : scalarWire[of] === "bytes" ? "" : 0;
  return (input) => {
    const end = input.descend();
    let value: unknown = missing;
    while (input.position < input.end) {
      const tag = input.tag();
      if (tag === (1 << 3) + wire) value = read(input);
      else input.skip(tag);
    }
    input.ascend(end);
    return value;
  };
}
