import { Agent } from "node:http";
import { type AgentOptions, Agent as TlsAgent } from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import confluent from "@kafkajs/confluent-schema-registry";
import { type ErrorCode, MillraceError } from "../../schemas/errors.ts";
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
  readonly Subject: { latestVersion(args: { subject: string }): Promise<Answer> };
}

interface Answer {
  data(): { readonly id?: number; readonly schema: string; readonly schemaType?: string };
}

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

  async schemaById(id: number): Promise<AvroSchema | null> {
    const answer = await this.#find(`schema ${id}`, () => this.#api.Schema.find({ id }));
    return answer === null ? null : avroOf(answer);
  }

  async latest(subject: string): Promise<RegisteredSchema | null> {
    const answer = await this.#find(`the latest version of ${subject}`, () =>
      this.#api.Subject.latestVersion({ subject }),
    );
    const schema = answer === null ? null : avroOf(answer);
    const id = answer?.data().id;
    return schema === null || id === undefined ? null : { id, schema };
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

  async #find(request: string, call: () => Promise<Answer>): Promise<Answer | null> {
    try {
      return await this.#inTime(call());
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

/** Null for a schema of another language (JSON Schema, Protobuf). */
function avroOf(answer: Answer): AvroSchema | null {
  const { schema, schemaType = "AVRO" } = answer.data();
  return schemaType === "AVRO" ? (JSON.parse(schema) as AvroSchema) : null;
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
  const refused = status !== null && status > 400 && status < 500;
  return refused ? "REGISTRY_REFUSED" : "REGISTRY_UNAVAILABLE";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
