import { type AvroInput, fail } from "./avro-input.ts";
import type { AvroRecord, AvroType } from "./avro-types.ts";
import { setOwn } from "./own-property.ts";
import {
  AvroUnreadable,
  defaultOf,
  fieldSources,
  Resolution,
  type Step,
  unreadable,
} from "./resolve.ts";
import { branchOf } from "./skip.ts";

/** Reads one record, wanted fields of records within it as properties of its own. */
export type FlatRead = (input: AvroInput) => Record<string, unknown>;

/**
 * How records of a writer's type are read as a reader's: only the wanted fields, by their paths
 * (`customer.address.country`); all else is passed over, whatever it is. A field within a record
 * that is null is null.
 *
 * @throws {AvroUnreadable} when no record can be read.
 */
export function flatRead(
  writer: AvroType,
  reader: AvroType,
  wanted: ReadonlySet<string>,
): FlatRead {
  const template: Record<string, unknown> = {};
  for (const path of wanted) setOwn(template, path, null);
  const step = new Flat(wanted).step(writer, reader, "");
  return (input) => {
    const out = { ...template };
    step(input, out);
    return out;
  };
}

class Flat {
  readonly #resolution = new Resolution();
  readonly #wanted: ReadonlySet<string>;

  constructor(wanted: ReadonlySet<string>) {
    this.#wanted = wanted;
  }

  /** @param path - of the value; "" for the whole record. */
  step(writer: AvroType, reader: AvroType, path: string): Step {
    if (writer.kind === "union") {
      const steps = writer.branches.map((branch) => this.#later(branch, reader, path));
      return (input, out) => branchOf(steps, input)(input, out);
    }
    if (reader.kind === "union") {
      const branch = this.#resolution.branchFor(writer, reader.branches);
      return this.step(writer, branch, path);
    }
    if (this.#wanted.has(path)) {
      const read = this.#resolution.read(writer, reader);
      return (input, out) => {
        out[path] = read(input);
      };
    }
    if (reader.kind === "null" && writer.kind === "null") return () => {};
    if (writer.kind !== "record" || reader.kind !== "record") throw unreadable(writer, reader);
    return this.#record(writer, reader, path);
  }

  #record(writer: AvroRecord, reader: AvroRecord, path: string): Step {
    const prefix = path === "" ? "" : `${path}.`;
    const sources = fieldSources(writer, reader);
    const readerOf = new Map<string, { readonly type: AvroType; readonly path: string }>();
    const defaults: [string, unknown][] = [];
    for (const field of reader.fields) {
      const inner = `${prefix}${field.name}`;
      if (!this.#isWanted(inner)) continue;
      const source = sources.get(field.name);
      if (source !== undefined) readerOf.set(source, { type: field.type, path: inner });
      else this.#flatten(defaultOf(field), inner, defaults);
    }
    const steps = writer.fields.map((field): Step => {
      const target = readerOf.get(field.name);
      if (target === undefined) return this.#resolution.skips.of(field.type);
      return this.#later(field.type, target.type, target.path);
    });
    return (input, out) => {
      input.descend(steps.length);
      for (let i = 0; i < defaults.length; i++) {
        const [name, value] = defaults[i] as [string, unknown];
        out[name] = value;
      }
      for (let i = 0; i < steps.length; i++) (steps[i] as Step)(input, out);
      input.ascend();
    };
  }

  #isWanted(path: string): boolean {
    if (this.#wanted.has(path)) return true;
    for (const each of this.#wanted) if (each.startsWith(`${path}.`)) return true;
    return false;
  }

  #flatten(value: unknown, path: string, into: [string, unknown][]): void {
    if (this.#wanted.has(path)) into.push([path, value]);
    else if (typeof value === "object" && value !== null) {
      for (const [name, part] of Object.entries(value)) {
        this.#flatten(part, `${path}.${name}`, into);
      }
    }
  }

  #later(writer: AvroType, reader: AvroType, path: string): Step {
    try {
      return this.step(writer, reader, path);
    } catch (error) {
      if (!(error instanceof AvroUnreadable)) throw error;
      const { message } = error;
      return () => fail(path === "" ? message : `field "${path}": ${message}`);
    }
  }
}
