import { type FileHandle, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { WriterSchema } from "../../schemas/formats/format.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { isStorageFull, storageFull } from "../../schemas/storage-error.ts";
import { checkBackward, checkSchema } from "./compatibility.ts";
import type { RegisteredSchema, SchemaRegistry } from "./registry.ts";

/** One line of the journal. */
interface Registration {
  readonly subject: string;
  readonly id: number;
  readonly schema: AvroSchema;
}

/** A schema registry that lives and ends with its process. */
export function createMemoryRegistry(): SchemaRegistry {
  return new EmbeddedRegistry([], async () => {}, null);
}

/**
 * A schema registry over a journal: one JSON line a registration, flushed before it is answered.
 * A line torn by a crash was never answered and is cut off. One process at a time (the data
 * directory's lock sees to that).
 */
export async function openFileRegistry(path: string): Promise<SchemaRegistry> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  const journal = whole.split("\n").filter((line) => line !== "");
  const file = await open(path, "a", 0o600);
  await file.truncate(Buffer.byteLength(whole));
  let length = Buffer.byteLength(whole);
  const append = async (registration: Registration) => {
    const line = Buffer.from(`${JSON.stringify(registration)}\n`);
    try {
      await file.appendFile(line);
      await file.sync();
      length += line.length;
    } catch (error) {
      // A full disk must not leave half a line in front of the next one.
      await file.truncate(length);
      throw isStorageFull(error) ? storageFull(dirname(path), error) : error;
    }
  };
  const registrations = journal.map((line) => JSON.parse(line) as Registration);
  return new EmbeddedRegistry(registrations, append, file);
}

class EmbeddedRegistry implements SchemaRegistry {
  readonly #byId = new Map<number, AvroSchema>();
  readonly #idOf = new Map<string, number>();
  readonly #versions = new Map<string, number[]>();
  readonly #append: (registration: Registration) => Promise<void>;
  readonly #file: FileHandle | null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    registrations: readonly Registration[],
    append: (registration: Registration) => Promise<void>,
    file: FileHandle | null,
  ) {
    this.#append = append;
    this.#file = file;
    for (const registration of registrations) this.#take(registration);
  }

  /** Registrations go one after the other: two equal ones at once get one id. */
  register(subject: string, schema: AvroSchema): Promise<number> {
    const result = this.#last.then(() => this.#register(subject, schema));
    this.#last = result.catch(() => {});
    return result;
  }

  async schemaById(id: number): Promise<WriterSchema | null> {
    const schema = this.#byId.get(id);
    return schema === undefined ? null : { type: "AVRO", schema, references: [] };
  }

  /** Its schemas have none. */
  async schemaByGuid(): Promise<null> {
    return null;
  }

  async subjectsOf(id: number): Promise<readonly string[]> {
    const all = [...this.#versions];
    return all.flatMap(([subject, ids]) => (ids.includes(id) ? [subject] : []));
  }

  async latest(subject: string): Promise<RegisteredSchema | null> {
    const id = this.#versions.get(subject)?.at(-1);
    const schema = id === undefined ? undefined : this.#byId.get(id);
    return id === undefined || schema === undefined ? null : { id, schema };
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#file?.close();
  }

  async #register(subject: string, schema: AvroSchema): Promise<number> {
    const known = this.#idOf.get(JSON.stringify(schema));
    if (known !== undefined && this.#versions.get(subject)?.includes(known)) return known;
    const latest = await this.latest(subject);
    if (latest === null) checkSchema(subject, schema);
    else checkBackward(subject, latest.schema, schema);
    const registration = { subject, id: known ?? this.#byId.size + 1, schema };
    await this.#append(registration);
    this.#take(registration);
    return registration.id;
  }

  #take({ subject, id, schema }: Registration): void {
    this.#byId.set(id, schema);
    this.#idOf.set(JSON.stringify(schema), id);
    this.#versions.set(subject, [...(this.#versions.get(subject) ?? []), id]);
  }
}
