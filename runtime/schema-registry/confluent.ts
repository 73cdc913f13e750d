import { Agent } from "node:http";
import { type AgentOptions, Agent as TlsAgent } from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import confluent from "@kafkajs/confluent-schema-registry";
import { type ErrorCode, MillraceError } from "../../schemas/errors.ts";
import type { WriterSchema } from "../../schemas/formats/format.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { checkBackward, checkSchema } from "./compatibility.ts";
import type { RegisteredSchema, SchemaRegistry } from "./registry.ts";

/** How to reach a registry with Confluent's interface. */
export interface ConfluentRegistryOptions {
  /** e.g. `http://127.0.0.1:8080/apis/ccompat/v7`. */
  readonly url: string;
  /** Basic authentication. @default none */
  readonly auth?: { readonly username: string; readonly password: string };
  /** Certificates of an https URL, as Node takes them. @default Node's own */
  readonly tls?: AgentOptions;
  /** @default "millrace" */
  readonly clientId?: string;
  /** Tries after a failure on the registry's side. @default 3 */
  readonly retries?: number;
  /** Longest wait for an answer, its tries together, ms. @default 30000 */
  readonly timeoutMs?: number;
}

const defaults = { clientId: "millrace", retries: 3, timeoutMs: 30_000 } as const;

/** The HTTP calls below the client; it offers no way to a schema's own text. */
interface RegistryApi {
  readonly Schema: { find(args: { id: number }): Promise<Answer> };
  readonly Subject: {
    latestVersion(args: { subject: string }): Promise<Answer>;
    version(args: { subject: string; version: number }): Promise<Answer>;
  };
}

interface Answer {
  /** Whatever was sent, parsed where it is JSON. */
  data(): unknown;
}

interface SchemaAnswer {
  readonly id?: number;
  readonly schema: string;
  readonly schemaType?: string;
  readonly references?: readonly { readonly subject: string; readonly version: number }[];
}

/** Schemas that one may name, those that they name included. */
const maxReferences = 200;

/** A registry behind Confluent's HTTP interface (Confluent, Apicurio, Karapace). */
export function openConfluentRegistry(options: ConfluentRegistryOptions): SchemaRegistry {
  return new ConfluentRegistry(options);
}

/** Tries to register a schema that the registry refuses although it fits the latest version. */
const conflictAttempts = 5;

class ConfluentRegistry implements SchemaRegistry {
  readonly #url: string;
  readonly #client: confluent.SchemaRegistry;
  readonly #api: RegistryApi;
  readonly #agent: Agent;
  readonly #timeoutMs: number;

  constructor(options: ConfluentRegistryOptions) {
    const { url, auth, tls, clientId, retries, timeoutMs } = { ...defaults, ...options };
    this.#url = url;
    this.#timeoutMs = timeoutMs;
    this.#agent = url.startsWith("https:")
      ? new TlsAgent({ keepAlive: true, ...tls })
      : new Agent();
    this.#client = new confluent.SchemaRegistry({
      host: url,
      clientId,
      retry: { retries },
      ...(auth === undefined ? {} : { auth }),
      agent: this.#agent,
    });
    this.#api = (this.#client as unknown as { readonly api: RegistryApi }).api;
  }

  async register(subject: string, schema: AvroSchema): Promise<number> {
    checkSchema(subject, schema);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#register(subject, schema);
      } catch (error) {
        if (statusOf(error) !== 409) throw this.#error(error, `to register ${subject}`);
        const latest = await this.latest(subject);
        if (latest !== null) checkBackward(subject, latest.schema, schema);
        // Nothing is wrong with the schema: another process makes the same subject just now.
        if (attempt < conflictAttempts) continue;
        const context = { subject, field: schema.name, reason: messageOf(error) };
        throw new MillraceError("SCHEMA_INCOMPATIBLE", context, { cause: error });
      }
    }
  }

  async #register(subject: string, schema: AvroSchema): Promise<number> {
    const raw = { ...schema, fields: [...schema.fields] } as Parameters<
      confluent.SchemaRegistry["register"]
    >[0];
    return (await this.#inTime(this.#client.register(raw, { subject }))).id;
  }

  async schemaById(id: number): Promise<WriterSchema | null> {
    const answer = await this.#find(`schema ${id}`, () => this.#api.Schema.find({ id }));
    if (answer === null) return null;
    const references: unknown[] = [];
    await this.#addReferences(answer, references, new Set());
    const { schemaType = "AVRO" } = answer;
    return { type: schemaType, schema: parsed(answer), references };
  }

  /** Adds what a schema names, each before those that name it. */
  async #addReferences(
    { references = [] }: SchemaAnswer,
    into: unknown[],
    known: Set<string>,
  ): Promise<void> {
    for (const { subject, version } of references) {
      const name = `version ${version} of ${subject}`;
      if (known.has(name)) continue;
      known.add(name);
      if (known.size > maxReferences) return;
      const answer = await this.#find(name, () => this.#api.Subject.version({ subject, version }));
      if (answer === null) continue;
      await this.#addReferences(answer, into, known);
      into.push(parsed(answer));
    }
  }

  async latest(subject: string): Promise<RegisteredSchema | null> {
    const answer = await this.#find(`the latest version of ${subject}`, () =>
      this.#api.Subject.latestVersion({ subject }),
    );
    const { id, schemaType = "AVRO" } = answer ?? {};
    if (answer === null || id === undefined || schemaType !== "AVRO") return null;
    return { id, schema: parsed(answer) as AvroSchema };
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }

  /** The client would wait for ever; what comes too late is dropped. */
  async #inTime<T>(answer: Promise<T>): Promise<T> {
    const given = new AbortController();
    const late = wait(this.#timeoutMs, null, { signal: given.signal }).then(() => {
      throw new Error(`no answer within ${this.#timeoutMs} ms`);
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      given.abort();
      late.catch(() => {});
    }
  }

  async #find(request: string, call: () => Promise<Answer>): Promise<SchemaAnswer | null> {
    try {
      const answer = (await this.#inTime(call())).data();
      if (isSchemaAnswer(answer)) return answer;
      throw new Error("the answer is no schema registry's");
    } catch (error) {
      if (statusOf(error) === 404) {
        if (!isForeign(error)) return null;
        const reason = "no schema registry answers at this path; check registryUrl";
        const context = { url: this.#url, request, status: 404, reason };
        throw new MillraceError("REGISTRY_REFUSED", context, { cause: error });
      }
      throw this.#error(error, request);
    }
  }

  #error(error: unknown, request: string): MillraceError {
    const status = statusOf(error);
    const context = { url: this.#url, request, status, reason: messageOf(error) };
    return new MillraceError(codeOf(status), context, { cause: error });
  }
}

/** Anything may stand in front of a registry, and answer for it. */
function isSchemaAnswer(answer: unknown): answer is SchemaAnswer {
  if (typeof answer !== "object" || answer === null || !("schema" in answer)) return false;
  return typeof answer.schema === "string";
}

/** Avro's JSON; the text of a schema of another language, or of what is no JSON. */
function parsed({ schema, schemaType = "AVRO" }: SchemaAnswer): unknown {
  if (schemaType !== "AVRO") return schema;
  try {
    return JSON.parse(schema);
  } catch {
    return schema;
  }
}

function statusOf(error: unknown): number | null {
  const status = (error as { readonly status?: unknown } | null)?.status;
  return typeof status === "number" ? status : null;
}

/** A registry says in JSON what it has not; the client makes this of anything else. */
function isForeign(error: unknown): boolean {
  return /- Error, status 404/.test(messageOf(error));
}

function codeOf(status: number | null): ErrorCode {
  if (status === 401 || status === 403) return "REGISTRY_LOGIN";
  const passing = status === 408 || status === 429;
  const refused = status !== null && status > 400 && status < 500 && !passing;
  return refused ? "REGISTRY_REFUSED" : "REGISTRY_UNAVAILABLE";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
