import { z } from "zod";
import { type ErrorCode, errorTable } from "../schemas/errors.ts";
import { statusOf } from "./answers.ts";
import type { Door } from "./door.ts";

/** Codes that any request may be told. */
const usualErrors: readonly ErrorCode[] = [
  ...(["REQUEST_INVALID", "KEY_MISSING", "KEY_REFUSED", "KEY_SCOPE", "HOST_REFUSED"] as const),
  ...(["KEY_OVERUSED", "GATEWAY_BUSY", "REQUEST_FAILED", "GATEWAY_DRAINING"] as const),
  "REQUEST_TIMEOUT",
];
const bodyErrors: readonly ErrorCode[] = ["REQUEST_TOO_LARGE", "REQUEST_UNSUPPORTED"];

/** What doors take and give, as OpenAPI 3.1: of a list of doors always the same. */
export function openApiDocument(doors: readonly Door[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const door of doors) {
    const path = openApiPath(door.path);
    paths[path] = { ...paths[path], [door.method.toLowerCase()]: operation(door) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Millrace gateway",
      version: "1",
      description:
        "Features and predictions out, events in. Errors have one shape and the codes of docs/errors.md. Another method of a path is answered 405, METHOD_NOT_ALLOWED, and the header Allow names those that it has.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        header: { type: "apiKey", in: "header", name: "X-API-Key" },
      },
      schemas: { Error: errorSchema },
    },
  };
}

const errorSchema = {
  type: "object",
  properties: {
    code: { type: "string", description: "Match on it, never on the message." },
    message: { type: "string" },
    where: { type: ["string", "null"], description: "Part of the request that is wrong." },
    todo: { type: "string", description: "What to do about it." },
  },
  required: ["code", "message", "where", "todo"],
  additionalProperties: false,
} as const;

function openApiPath(path: string): string {
  return path.replace(/:(\w+)/g, "{$1}").replace(/\*$/, "{key}");
}

function operation(door: Door): Record<string, unknown> {
  const { method, path, title, about, scope, orScope } = door;
  const other = orScope === undefined ? "" : ` or \`${orScope}\``;
  const scoped = scope === null ? about : `${about}\n\nScope of the key: \`${scope}\`${other}.`;
  return {
    operationId:
      door.operationId ??
      `${method.toLowerCase()}${path.replace(/[^a-z0-9]+(\w?)/gi, (_, next: string) => next.toUpperCase())}`,
    summary: title,
    description: scoped,
    ...(scope === null ? { security: [] } : { security: [{ bearer: [] }, { header: [] }, {}] }),
    parameters: parameters(door),
    ...requestBody(door),
    responses: responses(door),
  };
}

function parameters({ path, parts = {}, query, headers = {} }: Door): unknown[] {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => name);
  const text = { type: "string" };
  const inPath = names.map((name) => ({
    ...{ name, in: "path", required: true, description: parts[name] ?? "", schema: text },
  }));
  const rest = {
    ...{ name: "key", in: "path", required: true, schema: text },
    description: parts["*"] ?? "",
  };
  const asked = query === undefined ? {} : jsonSchema(query, "input");
  const { properties = {}, required = [] } = asked as {
    properties?: Record<string, { description?: string }>;
    required?: string[];
  };
  const inQuery = Object.entries(properties).map(([name, { description, ...schema }]) => ({
    ...{ name, in: "query", required: required.includes(name) },
    ...(description === undefined ? {} : { description }),
    schema,
  }));
  const inHeaders = Object.entries(headers).map(([name, description]) => ({
    ...{ name, in: "header", required: false, description, schema: text },
  }));
  return [...inPath, ...(path.endsWith("*") ? [rest] : []), ...inQuery, ...inHeaders];
}

function requestBody({ takes, body }: Door): Record<string, unknown> {
  if (takes === "none" || body === undefined) return {};
  const content: Record<string, unknown> = {
    "application/json": { schema: jsonSchema(body, "input") },
  };
  if (takes === "bytes") content["application/octet-stream"] = { schema: { type: "string" } };
  if (takes === "value-or-lines") content["application/x-ndjson"] = { schema: { type: "string" } };
  return { requestBody: { required: true, content } };
}

function responses({ answers, takes, scope, errors }: Door): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  if (typeof answers === "string") {
    all["200"] = { description: "Done.", content: { [answers]: { schema: { type: "string" } } } };
  } else {
    const schema = jsonSchema(answers.schema, "output");
    all[answers.status] = { description: "Done.", content: { "application/json": { schema } } };
  }
  const codes = [
    ...(scope === null ? [] : usualErrors),
    ...(takes === "none" ? [] : bodyErrors),
    ...errors,
  ];
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const status = errorTable[code].policy === "retry" ? 503 : statusOf(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const schema = { $ref: "#/components/schemas/Error" };
  for (const [status, own] of [...byStatus].sort(([a], [b]) => a - b)) {
    const description = own.join(", ");
    all[status] = { description, content: { "application/json": { schema } } };
  }
  return all;
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
