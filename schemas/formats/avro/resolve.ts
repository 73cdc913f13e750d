import { type AvroInput, fail } from "./avro-input.ts";
import {
  type AvroEnum,
  type AvroField,
  type AvroRecord,
  type AvroType,
  nameOf,
  shortName,
} from "./avro-types.ts";
import { defaultValue } from "./defaults.ts";
import { setOwn } from "./own-property.ts";
import { scalarRead } from "./scalars.ts";
import { branchOf, Skips } from "./skip.ts";

/** Reads one value. */
export type Read = (input: AvroInput) => unknown;

/** Reads or passes over one field of a record into its object. */
export type Step = (input: AvroInput, out: Record<string, unknown>) => void;

/** Why no value of a writer's type can be read as a reader's. */
export class AvroUnreadable extends Error {}

/**
 * How values of written types are read as others: Avro 1.12's schema resolution, as its Java
 * library does it. What can be read for some values only (a branch of a union, a symbol of an
 * enum, items of an array) fails with those values. Records and enums match by name without
 * namespace, as registries compare them; records of another name match by their fields.
 */
export class Resolution {
  readonly skips = new Skips();
  readonly #records = new Map<AvroRecord, Map<AvroRecord, Read>>();
  /** Reads that fail with every value. */
  readonly #failing = new WeakSet<Read>();

  /** @throws {AvroUnreadable} when no value can be read. */
  read(writer: AvroType, reader: AvroType): Read {
    if (writer.kind === "union") {
      const branches = writer.branches.map((branch) => this.#later(branch, reader));
      if (branches.every((branch) => this.#failing.has(branch))) throw unreadable(writer, reader);
      return (input) => branchOf(branches, input)(input);
    }
    if (reader.kind === "union") return this.read(writer, this.branchFor(writer, reader.branches));
    if (writer.kind === "record" && reader.kind === "record") return this.#record(writer, reader);
    if (writer.kind === "enum" && reader.kind === "enum") return enumRead(writer, reader);
    if (writer.kind === "array" && reader.kind === "array") {
      return arrayRead(this.#later(writer.items, reader.items));
    }
    if (writer.kind === "map" && reader.kind === "map") {
      return mapRead(this.#later(writer.values, reader.values));
    }
    const read = scalarRead(writer, reader);
    if (read === null) throw unreadable(writer, reader);
    return read;
  }

  /**
   * The branch of a reader's union that takes a writer's type: the first of the same type, by name
   * or else by fields; then the first that it can be widened to.
   *
   * @throws {AvroUnreadable} when there is none.
   */
  branchFor(writer: AvroType, branches: readonly AvroType[]): AvroType {
    const same = branches.filter(({ kind }) => kind === writer.kind);
    if (!("name" in writer)) {
      const first = same[0] ?? branches.find((branch) => scalarRead(writer, branch) !== null);
      if (first !== undefined) return first;
      throw new AvroUnreadable(`no branch of its union takes ${nameOf(writer)}`);
    }
    const fits = (type: AvroType) => !this.#failing.has(this.#later(writer, type));
    const found =
      same.find((type) => "name" in type && type.name === writer.name) ??
      same.find((type) => isNamedAlike(writer, type) && fits(type)) ??
      same.find(fits);
    if (found !== undefined) return found;
    throw new AvroUnreadable(`no branch of its union takes ${writer.name}`);
  }

  /** Like {@link read}; where that throws, a read that fails. */
  #later(writer: AvroType, reader: AvroType): Read {
    try {
      return this.read(writer, reader);
    } catch (error) {
      if (!(error instanceof AvroUnreadable)) throw error;
      const failing: Read = () => fail(error.message);
      this.#failing.add(failing);
      return failing;
    }
  }

  #record(writer: AvroRecord, reader: AvroRecord): Read {
    const known = this.#records.get(writer) ?? new Map<AvroRecord, Read>();
    this.#records.set(writer, known);
    const before = known.get(reader);
    if (before !== undefined) {
      if (this.#failing.has(before)) throw unreadable(writer, reader);
      return before;
    }
    let steps: readonly Step[] = [];
    const template: Record<string, unknown> = {};
    const read: Read = (input) => {
      const out = { ...template };
      input.descend(steps.length);
      for (let i = 0; i < steps.length; i++) (steps[i] as Step)(input, out);
      input.ascend();
      return out;
    };
    known.set(reader, read);
    try {
      steps = this.#steps(writer, reader, template);
      return read;
    } catch (error) {
      this.#failing.add(read);
      throw error;
    }
  }

  #steps(
    writer: AvroRecord,
    reader: AvroRecord,
    template: Record<string, unknown>,
  ): readonly Step[] {
    const sources = fieldSources(writer, reader);
    for (const field of reader.fields) {
      setOwn(template, field.name, sources.has(field.name) ? null : defaultOf(field));
    }
    const readerOf = new Map([...sources].map(([name, written]) => [written, name]));
    const typeOf = new Map(reader.fields.map(({ name, type }) => [name, type]));
    return writer.fields.map((field) => {
      const name = readerOf.get(field.name);
      const type = name === undefined ? undefined : typeOf.get(name);
      if (name === undefined || type === undefined) return this.skips.of(field.type);
      const read = this.#later(field.type, type);
      return (input, out) => {
        out[name] = read(input);
      };
    });
  }
}

/** @throws {AvroUnreadable} when a field that was not written has none. */
export function defaultOf(field: AvroField): unknown {
  const value = defaultValue(field.type, field.defaultValue);
  if (value !== undefined) return value;
  throw new AvroUnreadable(`field "${field.name}" is not written and has no default`);
}

/** For each field of a reader's record that was written: the name under which it was. */
export function fieldSources(writer: AvroRecord, reader: AvroRecord): Map<string, string> {
  const written = new Set(writer.fields.map(({ name }) => name));
  const sources = new Map<string, string>();
  for (const { name, aliases } of reader.fields) {
    const source = [name, ...aliases].find((each) => written.has(each));
    if (source !== undefined) sources.set(name, source);
  }
  return sources;
}

/** Whether a named type of a writer is a reader's: by name without namespace, or by an alias. */
export function isNamedAlike(writer: AvroType, reader: AvroType): boolean {
  if (!("name" in writer) || !("name" in reader)) return false;
  const name = shortName(writer.name);
  return shortName(reader.name) === name || reader.aliases.some((each) => shortName(each) === name);
}

export function unreadable(writer: AvroType, reader: AvroType): AvroUnreadable {
  return new AvroUnreadable(`${nameOf(writer)} cannot be read as ${nameOf(reader)}`);
}

function enumRead(writer: AvroEnum, reader: AvroEnum): Read {
  if (!isNamedAlike(writer, reader)) throw unreadable(writer, reader);
  const known = new Set(reader.symbols);
  const symbols = writer.symbols.map((each) => (known.has(each) ? each : reader.defaultSymbol));
  return (input) => {
    const index = input.int();
    const symbol = symbols[index];
    if (typeof symbol === "string") return symbol;
    const written = writer.symbols[index];
    return fail(
      written === undefined
        ? `enum ${writer.name} has no symbol ${index}`
        : `enum ${reader.name} has no symbol "${written}"`,
    );
  };
}

function arrayRead(read: Read): Read {
  return (input) => {
    const items: unknown[] = [];
    input.descend(1);
    for (let count = input.blockCount(); count > 0; count = input.blockCount()) {
      for (; count > 0; count--) {
        input.count(1);
        items.push(read(input));
      }
    }
    input.ascend();
    return items;
  };
}

function mapRead(read: Read): Read {
  return (input) => {
    const out = {};
    input.descend(1);
    for (let count = input.blockCount(); count > 0; count = input.blockCount()) {
      for (; count > 0; count--) {
        input.count(1);
        setOwn(out, input.text(), read(input));
      }
    }
    input.ascend();
    return out;
  };
}
