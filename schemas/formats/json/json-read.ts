import type { ReadRecord } from "../format.ts";
import type { FieldSpecs, TypeSpec } from "../types.ts";
import { fail, JsonInput, JsonValueError } from "./json-input.ts";
import { decimalText, double, integer, isoMs, timestampMs } from "./json-numbers.ts";

type Out = Record<string, unknown>;

/** Reads the value under the position into the record. */
type Step = (input: JsonInput, out: Out) => void;

/** Reads one value that is not null. */
type Read = (input: JsonInput) => unknown;

/** A declared field of an object. */
interface Member {
  readonly name: string;
  /** Its name as it mostly stands in the text, quotes included. */
  readonly bytes: Buffer;
  readonly isRequired: boolean;
  readonly step: Step;
}

const powers = { s: 3, ms: 0, us: -3, ns: -6 } as const;

const quote = 0x22;

/**
 * How records of declared fields are read.
 *
 * @param paths - of these fields: each stands in what is read.
 */
export function jsonRead(fields: FieldSpecs, paths: ReadonlySet<string>): ReadRecord {
  const template: Out = {};
  for (const path of paths) template[path] = null;
  const step = objectStep(fields, "");
  const input = new JsonInput();
  return (buffer, start, end) => {
    input.open(buffer, start, end);
    if (input.peek() !== 0x7b) fail(`it is ${input.found()}, not an object`);
    const out = { ...template };
    step(input, out);
    input.end();
    return out;
  };
}

function objectStep(fields: FieldSpecs, prefix: string): Step {
  const members = Object.entries(fields).map(([name, spec]): Member => {
    const step = fieldStep(spec, `${prefix}${name}`);
    const bytes = Buffer.from(JSON.stringify(name));
    return { name, bytes, step, isRequired: spec.nullable !== true };
  });
  const byName = new Map(members.map(({ name }, index) => [name, index]));
  const seen = new Uint32Array(members.length);
  const required = members.filter(({ isRequired }) => isRequired).length;
  let round = 0;
  return (input, out) => {
    round = (round + 1) >>> 0;
    if (round === 0) seen.fill(round++);
    let [missing, next] = [required, 0];
    input.descend();
    input.take(0x7b);
    if (!input.takeIf(0x7d)) {
      do {
        const index = nameIndex(input, members, next, byName);
        input.take(0x3a);
        const member = index < 0 ? undefined : members[index];
        if (member === undefined) {
          input.skip();
          continue;
        }
        if (seen[index] === round) fail(`field "${prefix}${member.name}" stands there twice`);
        seen[index] = round;
        if (member.isRequired) missing--;
        next = index + 1;
        member.step(input, out);
      } while (input.takeIf(0x2c));
      input.take(0x7d);
    }
    input.ascend();
    if (missing > 0) {
      const name = members.find((each, i) => each.isRequired && seen[i] !== round)?.name;
      fail(`field "${prefix}${name}" is missing`);
    }
  };
}

/** Takes the name of a member; −1 where it is not declared. Producers keep an order, mostly. */
function nameIndex(
  input: JsonInput,
  members: readonly Member[],
  next: number,
  byName: ReadonlyMap<string, number>,
): number {
  if (input.peek() !== quote) input.unexpected("the name of a field");
  const expected = members[next];
  if (expected !== undefined && input.takeBytes(expected.bytes)) return next;
  return byName.get(input.text()) ?? -1;
}

function fieldStep(spec: TypeSpec, path: string): Step {
  const isNullable = spec.nullable === true;
  const orNull = (step: Step): Step => {
    return (input, out) => {
      if (input.peek() !== 0x6e) step(input, out);
      else if (!input.word("null")) input.unexpected("a value");
      else if (!isNullable) fail(`field "${path}" is null`);
    };
  };
  if (spec.type === "record") {
    const step = objectStep(spec.fields, `${path}.`);
    return orNull((input, out) => {
      if (input.peek() !== 0x7b) fail(`field "${path}" is ${input.found()}, not an object`);
      step(input, out);
    });
  }
  const read = readOf(spec);
  return orNull((input, out) => {
    try {
      out[path] = read(input);
    } catch (error) {
      if (!(error instanceof JsonValueError)) throw error;
      fail(`field "${path}": ${error.message}`);
    }
  });
}

function readOf(spec: TypeSpec): Read {
  switch (spec.type) {
    case "text":
      return textOf;
    case "enumeration": {
      const symbols = new Set(spec.symbols);
      return (input) => {
        const text = textOf(input);
        return symbols.has(text) ? text : fail(`${JSON.stringify(text)} is none of its texts`);
      };
    }
    case "boolean":
      return (input) => {
        input.peek();
        if (input.word("true")) return true;
        return input.word("false") ? false : fail(`it is ${input.found()}, not a boolean`);
      };
    case "number":
      return (input) => double(numberOf(input));
    case "decimal":
      return (input) =>
        input.peek() === quote ? decimalText(input.text()) : double(numberOf(input));
    case "integer":
      return (input) => integer(digitsOf(input));
    case "timestamp": {
      if (spec.unit === "iso") return (input) => isoMs(textOf(input));
      const power = powers[spec.unit];
      return (input) => timestampMs(digitsOf(input), power);
    }
    case "list":
      return listRead(readOf(spec.of));
    case "record":
      return fail("a list has records in it");
  }
}

function listRead(read: Read): Read {
  return (input) => {
    if (input.peek() !== 0x5b) fail(`it is ${input.found()}, not an array`);
    input.descend();
    input.take(0x5b);
    const items: unknown[] = [];
    if (!input.takeIf(0x5d)) {
      do items.push(read(input));
      while (input.takeIf(0x2c));
      input.take(0x5d);
    }
    input.ascend();
    return items;
  };
}

function textOf(input: JsonInput): string {
  return input.peek() === quote ? input.text() : fail(`it is ${input.found()}, not text`);
}

function numberOf(input: JsonInput): string {
  const byte = input.peek();
  const isNumber = byte === 0x2d || (byte >= 0x30 && byte <= 0x39);
  return isNumber ? input.number() : fail(`it is ${input.found()}, not a number`);
}

/** Digits of a number, which may stand in quotes where they would lose some without. */
function digitsOf(input: JsonInput): string {
  return input.peek() === quote ? input.text() : numberOf(input);
}
