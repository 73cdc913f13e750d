import type { z } from "zod";
import type { Caller } from "../runtime/predict/caller.ts";
import type { ErrorCode } from "../schemas/errors.ts";
import type { ErrorBody } from "./answers.ts";
import type { Headers } from "./keys/access.ts";
import type { Scope } from "./keys/api-key.ts";

/** A request as a door gets it: who asks is known, and its shape is checked. */
export interface Call<Query = unknown, Body = unknown> {
  /** Id of the key that asks; null: the gateway has no keys. */
  readonly user: string | null;
  readonly requestId: string;
  /** Parts of the path by the names in the door's, decoded. */
  readonly path: Readonly<Record<string, string>>;
  /** What stands for the `*` at the end of the door's path, decoded part by part. */
  readonly rest: readonly string[];
  readonly query: Query;
  readonly body: Body;
  readonly headers: Headers;
  /** Has left once the connection is closed, or the gateway gave up waiting. */
  readonly caller: Caller;
}

/** What a request is answered with. */
export interface Answer {
  /** @default 200 */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON; a text or bytes go out as they are, with a content type of the headers. */
  readonly body: unknown;
  /** Codes of what was refused of it, each as often, for the metrics. @default nothing was */
  readonly refused?: readonly string[];
}

/**
 * How the body of a request is read: not at all, as a value in JSON, or as lines of such, too; as
 * bytes, whatever its content type.
 */
export type BodyKind = "none" | "value" | "value-or-lines" | "bytes";

/** One way in: everything that is known of a route, for the server and for its description. */
export interface Door {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** As Fastify writes it: `/v1/features/:view/*`. */
  readonly path: string;
  /** For generators of clients. @default from its method and path */
  readonly operationId?: string;
  /** Null: open to everybody. */
  readonly scope: Scope | null;
  /** Another that is good for it, too. @default none */
  readonly orScope?: Scope;
  /** In a few words. */
  readonly title: string;
  /** In sentences. */
  readonly about: string;
  /** What the parts of the path are; under `*` what stands for that. */
  readonly parts?: Readonly<Record<string, string>>;
  readonly query?: z.ZodObject;
  readonly takes: BodyKind;
  readonly body?: z.ZodType;
  /** What headers beside the usual ones mean. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Shape of the answer; a text where it is none of JSON. */
  readonly answers: { readonly status: number; readonly schema: z.ZodType } | string;
  /** Codes that it fails with, besides those of every request. */
  readonly errors: readonly ErrorCode[];
  /** Of a body, bytes; such a body is let in only a few at a time. @default that of the gateway */
  readonly bodyBytes?: number;
  /** From the head of a request to its answer, ms. @default that of the gateway */
  readonly requestMs?: number;
  /** What of an error is told, where its clients expect another shape. @default all */
  readonly errorBody?: (body: ErrorBody) => unknown;
  readonly handle: (call: Call) => Promise<Answer> | Answer;
}

/** A door whose handler knows the types of what it is given. */
export function door<Query extends z.ZodObject, Body extends z.ZodType>(
  spec: Omit<Door, "query" | "body" | "handle"> & {
    readonly query?: Query;
    readonly body?: Body;
    readonly handle: (call: Call<z.infer<Query>, z.infer<Body>>) => Promise<Answer> | Answer;
  },
): Door {
  return spec as unknown as Door;
}
