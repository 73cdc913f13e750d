import { Agent } from "node:http";
import { type AgentOptions, Agent as TlsAgent } from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import { type ErrorCode, errorOf, MillraceError } from "../../schemas/errors.ts";
import type { WriterSchema } from "../../schemas/formats/format.ts";
import { shortReason } from "../../schemas/plain-text.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { checkBackward, checkSchema } from "./compatibility.ts";
import type { RegisteredSchema, SchemaRegistry } from "./registry.ts";
import { type RegistryAnswer, type RegistryRequest, registryRequest } from "./registry-http.ts";

/** How to reach a registry with Confluent's interface. */
export interface ConfluentRegistryOptions {
  /** e.g. `http://127.0.0.1:8080/apis/ccompat/v7`. */
  readonly url: string;
  /** Basic authentication. @default none */
  readonly auth?: { readonly username: string; readonly password: string };
  /** Certificates of an https URL, as Node takes them. @default Node's own */
  readonly tls?: AgentOptions;
  /** Tries after a failure on the registry's side. @default 3 */
  readonly retries?: number;
  /** Longest wait for an answer, its tries together, ms. @default 30000 */
  readonly timeoutMs?: number;
}

const defaults = { retries: 3, timeoutMs: 30_000 } as const;

interface SchemaAnswer {
  readonly id?: number;
  readonly schema: string;
  readonly schemaType?: string;
  readonly references?: readonly { readonly subject: string; readonly version: number }[];
}

/** One that tells the versions of a subject apart. */
export interface VersionedRegistry extends SchemaRegistry {
  /** A version of a subject; null when there is none, or none in Avro. */
  versionOf(subject: string, version: number | "latest"): Promise<RegisteredSchema | null>;
}

/** Schemas that one may name, those that they name included. */
const maxReferences = 200;

/** A registry behind Confluent's HTTP interface (Confluent, Apicurio, Karapace). */
export function openConfluentRegistry(options: ConfluentRegistryOptions): VersionedRegistry {
  return new ConfluentRegistry(options);
}

/** Tries to register a schema that the registry refuses although it fits the latest version. */
const conflictAttempts = 5;

class ConfluentRegistry implements VersionedRegistry {
  readonly #url: string;
  readonly #auth: ConfluentRegistryOptions["auth"];
  readonly #retries: number;
  readonly #agent: Agent;
  readonly #timeoutMs: number;

  constructor(options: ConfluentRegistryOptions) {
    const { url, auth, tls, retries, timeoutMs } = { ...defaults, ...options };
    this.#url = withoutSlashes(url);
    this.#auth = auth;
    this.#retries = retries;
    this.#timeoutMs = timeoutMs;
    this.#agent = url.startsWith("https:")
      ? new TlsAgent({ keepAlive: true, ...tls })
      : new Agent();
  }

  async register(subject: string, schema: AvroSchema): Promise<number> {
    checkSchema(subject, schema);
    const request = `to register ${subject}`;
    const level = await this.#levelOf(subject);
    if (level !== null && !readsOlder.has(level)) await this.#checkLatest(subject, schema);
    for (let attempt = 1; ; attempt++) {
      const posted = await this.#send(request, `${subjectPath(subject)}/versions`, {
        method: "POST",
        body: { schema: JSON.stringify(schema) },
      });
      if (posted.status === 200) {
        if (!isRegistered(posted.body)) throw this.#refusal(request, posted);
        if (level === null) await this.#setLevel(subject);
        return posted.body.id;
      }
      const refusal = this.#refusal(request, posted);
      if (posted.status !== 409) throw refusal;
      await this.#checkLatest(subject, schema);
      // Nothing is wrong with the schema: another process makes the same subject just now.
      if (attempt < conflictAttempts) continue;
      const context = { subject, field: schema.name, reason: reasonOf(posted) };
      throw new MillraceError("SCHEMA_INCOMPATIBLE", context, { cause: refusal });
    }
  }

  /** Which versions a subject takes; null where it has no rule of its own. */
  async #levelOf(subject: string): Promise<string | null> {
    const request = `the rule of ${subject}`;
    const answer = await this.#send(request, `config/${encodeURIComponent(subject)}`);
    if (isMissing(answer)) return null;
    const level = (answer.body as { readonly compatibilityLevel?: unknown } | null)
      ?.compatibilityLevel;
    if (answer.status !== 200 || typeof level !== "string") throw this.#refusal(request, answer);
    return level.toUpperCase();
  }

  async #setLevel(subject: string): Promise<void> {
    const request = `to set the rule of ${subject}`;
    const answer = await this.#send(request, `config/${encodeURIComponent(subject)}`, {
      method: "PUT",
      body: { compatibility: "BACKWARD" },
    });
    // 409: another process has set it just now.
    if (answer.status !== 200 && answer.status !== 409) throw this.#refusal(request, answer);
  }

  async #checkLatest(subject: string, schema: AvroSchema): Promise<void> {
    const latest = await this.latest(subject);
    if (latest !== null) checkBackward(subject, latest.schema, schema);
  }

  async schemaById(id: number): Promise<WriterSchema | null> {
    const answer = await this.#find(`schema ${id}`, `schemas/ids/${id}`);
    return answer === null ? null : this.#whole(answer);
  }

  async schemaByGuid(guid: string, subject: string | null): Promise<WriterSchema | null> {
    const request = `schema ${guid}`;
    const answer = await this.#send(request, `schemas/guids/${guid}`);
    // Also what a registry says that has no such path: a value may look as if it had a GUID.
    if (answer.status === 404) return null;
    const { status, body } = answer;
    if (status !== 200 || !isSchemaAnswer(body)) throw this.#refusal(request, answer);
    if (subject !== null && !(await this.#isOn(subject, body))) return null;
    return this.#whole(body);
  }

  /** Whether a schema is a version of a subject, also one that is deleted from it. */
  async #isOn(subject: string, { schema, schemaType, references }: SchemaAnswer): Promise<boolean> {
    const request = `whether a schema is on ${subject}`;
    const answer = await this.#send(request, `${subjectPath(subject)}?deleted=true`, {
      method: "POST",
      body: { schema, schemaType, references },
    });
    if (isMissing(answer)) return false;
    if (answer.status !== 200) throw this.#refusal(request, answer);
    return true;
  }

  async #whole(answer: SchemaAnswer): Promise<WriterSchema> {
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
      const answer = await this.#find(name, `${subjectPath(subject)}/versions/${version}`);
      if (answer === null) continue;
      await this.#addReferences(answer, into, known);
      into.push(parsed(answer));
    }
  }

  async subjectsOf(id: number): Promise<readonly string[]> {
    const request = `the subjects of schema ${id}`;
    // What is deleted from a subject has still written what stands in its topic.
    const answer = await this.#send(request, `schemas/ids/${id}/versions?deleted=true`);
    if (isMissing(answer)) return [];
    const { status, body } = answer;
    if (status !== 200 || !Array.isArray(body)) throw this.#refusal(request, answer);
    return body.flatMap((each: { readonly subject?: unknown } | null) =>
      typeof each?.subject === "string" ? [each.subject] : [],
    );
  }

  latest(subject: string): Promise<RegisteredSchema | null> {
    return this.versionOf(subject, "latest");
  }

  async versionOf(subject: string, version: number | "latest"): Promise<RegisteredSchema | null> {
    const answer = await this.#find(
      `version ${version} of ${subject}`,
      `${subjectPath(subject)}/versions/${version}`,
    );
    const { id, schemaType = "AVRO" } = answer ?? {};
    if (answer === null || id === undefined || schemaType !== "AVRO") return null;
    return { id, schema: parsed(answer) as AvroSchema };
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }

  /** What stands at a path; null where the registry says that it has nothing there. */
  async #find(request: string, path: string): Promise<SchemaAnswer | null> {
    const answer = await this.#send(request, path);
    if (isMissing(answer)) return null;
    const { status, body } = answer;
    if (status === 200 && isSchemaAnswer(body)) return body;
    throw this.#refusal(request, answer);
  }

  /**
   * Asks again after a failure on the registry's side, and where the connection broke before the
   * whole answer: each request may be repeated, for what was registered or set is so once.
   */
  async #send(
    request: string,
    path: string,
    sent: Pick<RegistryRequest, "method" | "body"> = {},
  ): Promise<RegistryAnswer> {
    const signal = AbortSignal.timeout(this.#timeoutMs);
    const auth = this.#auth;
    const login = auth === undefined ? {} : { auth };
    const options = { ...sent, ...login, agent: this.#agent, signal };
    try {
      for (let attempt = 0; ; attempt++) {
        const isLast = attempt >= this.#retries;
        try {
          const answer = await registryRequest(`${this.#url}/${path}`, options);
          if (answer.status < 500 || isLast) return answer;
        } catch (error) {
          if (isLast || !hasBroken(error)) throw error;
        }
        await wait(retryMs * 2 ** attempt, null, { signal });
      }
    } catch (error) {
      const late = `no answer within ${this.#timeoutMs} ms`;
      const reason = signal.aborted ? late : shortReason(messageOf(error));
      const context = { url: this.#url, request, reason };
      throw new MillraceError("REGISTRY_UNAVAILABLE", context, { cause: error });
    }
  }

  #refusal(request: string, answer: RegistryAnswer): MillraceError {
    const { status } = answer;
    const url = this.#url;
    if (status === 404) {
      const reason = "no schema registry answers at this path; check registryUrl";
      return new MillraceError("REGISTRY_REFUSED", { url, request, status, reason });
    }
    const context = { url, request, status, reason: shortReason(reasonOf(answer)) };
    return errorOf(codeOf(status), context);
  }
}

/** Whether a connection that stood was closed or reset by the other side. */
function hasBroken(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ECONNRESET" || code === "EPIPE";
}

/** Before a request that failed on the registry's side is sent again; doubled each time. */
const retryMs = 100;

/** Rules of a subject under which a new version reads what the latest one wrote. */
const readsOlder: ReadonlySet<string> = new Set([
  "BACKWARD",
  "BACKWARD_TRANSITIVE",
  "FULL",
  "FULL_TRANSITIVE",
]);

function subjectPath(subject: string): string {
  return `subjects/${encodeURIComponent(subject)}`;
}

/** Anything may stand in front of a registry, and answer for it. */
function isSchemaAnswer(body: unknown): body is SchemaAnswer {
  if (typeof body !== "object" || body === null || !("schema" in body)) return false;
  return typeof body.schema === "string";
}

function isRegistered(body: unknown): body is { readonly id: number } {
  return typeof body === "object" && body !== null && "id" in body && Number.isInteger(body.id);
}

/** A registry says in JSON what it has not; anything else says it in another way. */
function isMissing(answer: RegistryAnswer): boolean {
  return answer.status === 404 && messageIn(answer) !== null;
}

function messageIn({ body }: RegistryAnswer): string | null {
  const message = (body as { readonly message?: unknown } | null | undefined)?.message;
  return typeof message === "string" ? message : null;
}

function reasonOf(answer: RegistryAnswer): string {
  return messageIn(answer) ?? `the answer (HTTP ${answer.status}) is no schema registry's`;
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

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return "REGISTRY_LOGIN";
  const passing = status === 408 || status === 429;
  const refused = status > 400 && status < 500 && !passing;
  return refused ? "REGISTRY_REFUSED" : "REGISTRY_UNAVAILABLE";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Without slashes at the end, in linear time. */
function withoutSlashes(url: string): string {
  let end = url.length;
  while (url[end - 1] === "/") end--;
  return url.slice(0, end);
}
