import type { ReadRecord } from "../format.ts";
import { defaultOf, type ProtoField, typeName, wireClassOf } from "./proto-types.ts";
import { isRequired, type ProtoTarget, placedFields } from "./protobuf-layout.ts";
import { Seen } from "./seen.ts";
import { type Read, valueRead, wireTypeOf } from "./value-read.ts";
import { fail, WireError, WireInput, wireTypes } from "./wire-input.ts";

type Out = Record<string, unknown>;

/** Takes the value behind a tag. */
type Step = (input: WireInput, tag: number, out: Out) => void;

/** Reads fields up to the end of a message. */
type ReadMessage = (input: WireInput, out: Out) => void;

/**
 * How messages of a writer's type are read as a reader's: fields of the same number are one field,
 * whatever its name, and what the reader does not have is passed over.
 *
 * @throws {Error} when a field of both has two types of which one is not read as the other.
 */
export function protobufRead(reader: ProtoTarget, writer: ProtoTarget): ReadRecord {
  const template: Out = {};
  for (const { path } of placedFields(reader)) template[path] = null;
  const { read, seen } = new Reading(reader, writer).whole();
  const input = new WireInput();
  return (buffer, start, end) => {
    input.open(buffer, start, end);
    const out = { ...template };
    seen.begin();
    read(input, out);
    const missing = seen.missing();
    if (missing !== null) fail(`field "${missing}" is missing`);
    return out;
  };
}

/** An empty list; one that has values is another. */
const none: readonly unknown[] = Object.freeze([]);

class Reading {
  readonly #reader: ProtoTarget;
  readonly #writer: ProtoTarget;
  /** The fields that the reader's user asks for. */
  readonly #seen = new Seen();

  constructor(reader: ProtoTarget, writer: ProtoTarget) {
    this.#reader = reader;
    this.#writer = writer;
  }

  whole(): { readonly read: ReadMessage; readonly seen: Seen } {
    const { message } = this.#reader;
    const read = this.#message(message, this.#writer.message, "", [message]);
    return { read, seen: this.#seen };
  }

  #message(
    name: string,
    writtenAs: string,
    prefix: string,
    within: readonly string[],
  ): ReadMessage {
    const written = new Map(
      (this.#writer.messages[writtenAs] ?? []).map((field) => [field.number, field]),
    );
    const steps = new Map<number, Step>();
    const defaults: [string, unknown][] = [];
    const seen = new Seen();
    for (const field of this.#reader.messages[name] ?? []) {
      const path = `${prefix}${field.name}`;
      if (field.presence === "repeated") defaults.push([path, none]);
      if (field.presence === "implicit") defaults.push([path, defaultOf(field)]);
      const mark = this.#markOf(field, path, seen);
      const as = written.get(field.number);
      if (as === undefined) continue;
      const step = this.#step(field, as, path, within);
      if (step === null) continue;
      steps.set(field.number, mark === null ? step : marking(step, mark));
    }
    return (input, out) => {
      seen.begin();
      for (let i = 0; i < defaults.length; i++) {
        const [path, value] = defaults[i] as [string, unknown];
        // A message that comes in two parts keeps what the first has.
        if (out[path] === null) out[path] = value;
      }
      while (input.position < input.end) {
        const tag = input.tag();
        const step = steps.get(tag >>> 3);
        if (step === undefined) input.skip(tag);
        else step(input, tag, out);
      }
      const missing = seen.missing();
      if (missing !== null) fail(`field "${missing}" is missing`);
    };
  }

  /** What notes that a field is there, where it has to be. */
  #markOf(field: ProtoField, path: string, ofMessage: Seen): (() => void) | null {
    if (field.presence === "required") return ofMessage.mark(path);
    const asked = field.presence === "explicit" && isRequired(this.#reader, path);
    return asked ? this.#seen.mark(path) : null;
  }

  #step(field: ProtoField, as: ProtoField, path: string, within: readonly string[]): Step | null {
    const { type } = field;
    checkTypes(field, as, path);
    if (type.kind === "message") {
      if (as.type.kind !== "message" || within.includes(type.name)) return null;
      const inner = [...within, type.name];
      const read = this.#message(type.name, as.type.name, `${path}.`, inner);
      return (input, tag, out) => {
        if ((tag & 7) !== wireTypes.bytes) fail(otherWire(path, tag));
        const end = input.descend();
        read(input, out);
        input.ascend(end);
      };
    }
    const read = valueRead(type, as.type);
    const wire = wireTypeOf(as.type);
    const step =
      field.presence === "repeated" ? listStep(path, read, wire) : single(path, read, wire);
    return (input, tag, out) => {
      try {
        step(input, tag, out);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        fail(`field "${path}": ${error.message}`);
      }
    };
  }
}

function marking(step: Step, mark: () => void): Step {
  return (input, tag, out) => {
    mark();
    step(input, tag, out);
  };
}

function single(path: string, read: Read, wire: number): Step {
  return (input, tag, out) => {
    if ((tag & 7) !== wire) fail(wireText(tag, wire));
    out[path] = read(input);
  };
}

/** Values one by one, each behind a tag, or packed behind a length: a reader takes both. */
function listStep(path: string, read: Read, wire: number): Step {
  return (input, tag, out) => {
    if (out[path] === none || out[path] === null) out[path] = [];
    const list = out[path] as unknown[];
    if ((tag & 7) === wire) {
      list.push(read(input));
      return;
    }
    if ((tag & 7) !== wireTypes.bytes) fail(wireText(tag, wire));
    const end = input.descend();
    while (input.position < input.end) list.push(read(input));
    input.ascend(end);
  };
}

function checkTypes(field: ProtoField, as: ProtoField, path: string): void {
  const isList = field.presence === "repeated";
  const alike =
    wireClassOf(field.type) === wireClassOf(as.type) &&
    isList === (as.presence === "repeated") &&
    (wireClassOf(field.type) !== "message" || field.type.kind === as.type.kind);
  if (alike) return;
  const written = `${as.presence === "repeated" ? "a list of " : ""}${typeName(as.type)}`;
  const wanted = `${isList ? "a list of " : ""}${typeName(field.type)}`;
  throw new Error(`field "${path}" is written as ${written}, which is not read as ${wanted}`);
}

function otherWire(path: string, tag: number): string {
  return `field "${path}": ${wireText(tag, wireTypes.bytes)}`;
}

function wireText(tag: number, wire: number): string {
  return `it has wire type ${tag & 7}, not ${wire}`;
}
