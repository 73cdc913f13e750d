import { type ErrorCode, MillraceError } from "../schemas/errors.ts";

/** What a request is told that failed. */
export interface ErrorBody {
  /** One of `docs/errors.md`. */
  readonly code: ErrorCode;
  readonly message: string;
  /** Part of the request that is wrong, e.g. `body.views[0].keys[3]`; null: no part of it. */
  readonly where: string | null;
  /** What to do about it. */
  readonly todo: string;
}

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;
}

interface Told {
  readonly status: number;
  readonly todo: string;
  /** In place of it where nobody speaks HTTP. @default the same */
  readonly grpc?: string;
}

/** Where an answer says how long. */
const askLater = {
  http: "Ask again after the seconds in Retry-After.",
  grpc: "Ask again after the seconds in the trailer retry-after.",
} as const;

const told: Partial<Record<ErrorCode, Told>> = {
  REQUEST_INVALID: {
    status: 400,
    todo: "Correct it as the message says; /openapi.json has the shape.",
    grpc: "Correct it as the message says; ModelMetadata tells names, types and shapes.",
  },
  REQUEST_TOO_LARGE: { status: 413, todo: "Send less in a request." },
  REQUEST_UNSUPPORTED: {
    status: 415,
    todo: "Send another content type.",
    grpc: "Send another encoding: gzip, deflate or none.",
  },
  REQUEST_TIMEOUT: { status: 503, todo: "Ask again later, or for less." },
  // Nobody reads it.
  REQUEST_ABANDONED: { status: 499, todo: "Ask again, and wait for the answer." },
  REQUEST_FAILED: { status: 500, todo: "The log of the gateway says more under the request id." },
  ROUTE_UNKNOWN: {
    status: 404,
    todo: "/openapi.json says what there is.",
    grpc: "inference.GRPCInferenceService is what there is.",
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    todo: "Take a method that Allow names.",
  },
  HOST_REFUSED: {
    status: 403,
    todo: "Ask 127.0.0.1 from a program, or make keys: millrace keys add.",
  },
  EVENT_REFUSED: {
    status: 422,
    todo: "Correct the field as the message says: the topology names the schema.",
  },
  STEP_UNKNOWN: { status: 404, todo: "Name a scoring step of the application." },
  STEP_AMBIGUOUS: { status: 400, todo: "Name the topology." },
  STEP_UNSERVED: { status: 409, todo: "Send the events, and read the predictions of the stream." },
  RECORD_REFUSED: {
    status: 422,
    todo: "Correct the field as the message says: the topology names the schema.",
  },
  RECORD_EXCLUDED: { status: 422, todo: "Do not ask: the stream makes no prediction of it." },
  MODEL_UNKNOWN: {
    status: 404,
    todo: "/v2/repository/index lists the models.",
    grpc: "RepositoryIndex lists the models.",
  },
  MODEL_VERSION_UNKNOWN: {
    status: 404,
    todo: "/v2/repository/index lists the versions.",
    grpc: "RepositoryIndex lists the versions.",
  },
  MODEL_NO_CHAMPION: { status: 404, todo: "Ask one of its versions, or name a champion." },
  MODEL_FAILED: { status: 422, todo: "Look at the rows, or ask another version." },
  PREDICTION_LATE: { status: 504, todo: "Give it more time, or take the fallback's answer." },
  EVENTS_CLOSED: { status: 409, todo: "Send to a gateway of a live run." },
  EVENT_TOPIC_UNKNOWN: { status: 404, todo: "Name a source topic of the application." },
  SCHEMA_INCOMPATIBLE: {
    status: 409,
    todo: "The subject has another schema than the topology: see the topic's owner.",
  },
  IDEMPOTENCY_CONFLICT: { status: 409, todo: "Give each request an idempotency key of its own." },
  GATEWAY_BUSY: { status: 429, todo: askLater.http, grpc: askLater.grpc },
  SCORING_CLOSED: { status: 503, todo: "Ask another gateway." },
  GATEWAY_DRAINING: { status: 503, todo: "Ask another gateway." },
  KEY_MISSING: {
    status: 401,
    todo: "Send the header Authorization: Bearer KEY, or X-API-Key: KEY.",
    grpc: "Send the metadata authorization: Bearer KEY, or x-api-key: KEY.",
  },
  KEY_REFUSED: { status: 401, todo: "Take a key that millrace keys list has." },
  KEY_SCOPE: {
    status: 403,
    todo: "Take a key with that scope: millrace keys add NAME --scope SCOPE.",
  },
  KEY_OVERUSED: { status: 429, todo: askLater.http, grpc: askLater.grpc },
  VIEW_UNKNOWN: { status: 404, todo: "/v1/views lists the views." },
  VIEW_AMBIGUOUS: { status: 400, todo: "Name the topology." },
  VIEW_KEY_INVALID: { status: 400, todo: "Give one value a key field, in their order." },
  MODEL_REFUSED: { status: 400, todo: "Change the model as the message says." },
  MODEL_CHANGE_LOST: { status: 409, todo: "Look at what it is now, then ask again." },
  TRACKING_INVALID: { status: 400, todo: "Correct it as the message says." },
  TRACKING_UNKNOWN: { status: 404, todo: "Name one that there is." },
  TRACKING_EXISTS: { status: 400, todo: "Take another name, or the one that there is." },
  TRACKING_FULL: { status: 507, todo: "Log to another application, or less often." },
  TRACKING_UNREADABLE: { status: 500, todo: "Tell whoever runs the gateway, with the message." },
  TRACKING_OUTCOME_UNKNOWN: { status: 503, todo: "Look whether it is there, then ask again." },
  TRACKING_CLOSED: { status: 409, todo: "Ask the gateway of an application with a model." },
  LOOK_UNKNOWN: { status: 404, todo: "/v1/views names the topologies." },
};

/** Seconds after which a store that is away may be back. */
const awaySeconds = 1;

/** What a request is told; of a defect no more than that it is one. */
export function errorAnswer(error: unknown): ErrorAnswer {
  const known = error instanceof MillraceError ? error : null;
  if (known === null) return errorAnswer(new MillraceError("REQUEST_FAILED"));
  const { code, message, context } = known;
  const { where = null } = context;
  const body = { code, message, where: where === null ? null : String(where) };
  const found = told[code];
  if (found === undefined && known.policy === "retry") {
    const todo = `A server behind the gateway is away. ${askLater.http}`;
    const headers = { "retry-after": String(awaySeconds) };
    return { status: 503, headers, body: { ...body, todo } };
  }
  if (found === undefined) return errorAnswer(new MillraceError("REQUEST_FAILED"));
  const { status, todo } = found;
  const wait = context["retryAfterSeconds"];
  const isLater = status === 429 || status === 503;
  const headers: Record<string, string> = {};
  if (isLater) headers["retry-after"] = String(wait ?? awaySeconds);
  if (status === 405) headers["allow"] = String(context["allowed"]);
  if (status === 401) headers["www-authenticate"] = "Bearer";
  return { status, headers, body: { ...body, todo } };
}

/** What a caller over gRPC is told to do. */
export function grpcTodo({ code, todo }: ErrorBody): string {
  return told[code]?.grpc ?? todo.replace(askLater.http, askLater.grpc);
}

/** What a caller over HTTP is told to do; undefined: no request is answered with the code. */
export function toldOf(code: ErrorCode): string | undefined {
  return told[code]?.todo;
}

/** The status that a code is answered with. */
export function statusOf(code: ErrorCode): number {
  return told[code]?.status ?? 500;
}
