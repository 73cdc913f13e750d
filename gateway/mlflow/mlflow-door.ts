import { z } from "zod";
import type { ErrorCode } from "../../schemas/errors.ts";
import type { ErrorBody } from "../answers.ts";
import { type Call, type Door, door } from "../door.ts";

/** Error codes of MLflow by ours; any other is INTERNAL_ERROR there. */
const errorCodes: Partial<Record<ErrorCode, string>> = {
  ...{ TRACKING_INVALID: "INVALID_PARAMETER_VALUE", REQUEST_INVALID: "INVALID_PARAMETER_VALUE" },
  ...{ MODEL_REFUSED: "INVALID_PARAMETER_VALUE", REQUEST_UNSUPPORTED: "INVALID_PARAMETER_VALUE" },
  ...{ TRACKING_UNKNOWN: "RESOURCE_DOES_NOT_EXIST", LOOK_UNKNOWN: "RESOURCE_DOES_NOT_EXIST" },
  ...{
    MODEL_VERSION_UNKNOWN: "RESOURCE_DOES_NOT_EXIST",
    TRACKING_EXISTS: "RESOURCE_ALREADY_EXISTS",
  },
  ...{ ROUTE_UNKNOWN: "ENDPOINT_NOT_FOUND", METHOD_NOT_ALLOWED: "ENDPOINT_NOT_FOUND" },
  ...{ MODEL_CHANGE_LOST: "RESOURCE_CONFLICT", TRACKING_FULL: "RESOURCE_LIMIT_EXCEEDED" },
  ...{ REQUEST_TOO_LARGE: "REQUEST_LIMIT_EXCEEDED", KEY_OVERUSED: "REQUEST_LIMIT_EXCEEDED" },
  ...{ GATEWAY_BUSY: "REQUEST_LIMIT_EXCEEDED", KEY_MISSING: "UNAUTHENTICATED" },
  ...{ KEY_REFUSED: "UNAUTHENTICATED", KEY_SCOPE: "PERMISSION_DENIED" },
  ...{ HOST_REFUSED: "PERMISSION_DENIED", TRACKING_CLOSED: "FEATURE_DISABLED" },
  ...{ GATEWAY_DRAINING: "TEMPORARILY_UNAVAILABLE", REQUEST_TIMEOUT: "TEMPORARILY_UNAVAILABLE" },
  ARTIFACTS_UNREACHABLE: "TEMPORARILY_UNAVAILABLE",
  TRACKING_OUTCOME_UNKNOWN: "TEMPORARILY_UNAVAILABLE",
};

/** Errors as MLflow's clients read them, with our code beside. */
export function mlflowError({ code, message, where }: ErrorBody): Record<string, unknown> {
  return { error_code: errorCodes[code] ?? "INTERNAL_ERROR", message, code, where };
}

/** Fields as protocol buffers in JSON have them: what is left out or null is the default. */
export const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");
/** A text that has to be there. */
export const named = z.string({ error: "it is missing" }).min(1, "it is missing");
const wholeText = /^-?\d{1,19}$/;
/** A whole number, or the text of its digits, which JSON has for those of 64 bits. */
export const whole = z.union([z.int(), z.string().regex(wholeText)]).transform(Number);
export const pairs = z
  .array(z.object({ key: named, value: text }))
  .nullish()
  .transform((value) => value ?? []);
export const texts = z
  .union([z.array(z.string()), z.string()])
  .nullish()
  .transform((value) => (typeof value === "string" ? [value] : (value ?? [])));
/** A flag: also as texts have it, in queries. */
export const flag = z
  .union([z.boolean(), z.enum(["true", "false"])])
  .nullish()
  .transform((value) => value === true || value === "true");
export const optionalWhole = whole.nullish().transform((value) => value ?? undefined);
export const page = {
  filter: text,
  order_by: texts,
  page_token: text,
};
/** @param usual - results where nobody says how many. */
export function results(usual: number) {
  return whole.nullish().transform((value) => value ?? usual);
}

const anyObject = z.record(z.string(), z.unknown());
const own: readonly ErrorCode[] = [
  ...(["TRACKING_INVALID", "TRACKING_UNKNOWN", "TRACKING_CLOSED", "TRACKING_UNREADABLE"] as const),
];
const writing: readonly ErrorCode[] = [
  ...(["TRACKING_EXISTS", "TRACKING_FULL", "TRACKING_OUTCOME_UNKNOWN"] as const),
];

interface MlflowCall<Fields extends z.ZodRawShape> {
  readonly method: Door["method"];
  /** Below `/api/2.0/mlflow/`. */
  readonly path: string;
  readonly title: string;
  /** @default the fields are those of MLflow's REST API */
  readonly about?: string;
  readonly parts?: Readonly<Record<string, string>>;
  /** Whether it changes nothing. */
  readonly reads: boolean;
  readonly fields: Fields;
  /** @default that of the gateway */
  readonly requestMs?: number;
  /** Codes that it fails with, besides those of every call. @default none */
  readonly errors?: readonly ErrorCode[];
  readonly answer: (
    asked: z.infer<z.ZodObject<Fields>>,
    call: MlflowCaller,
  ) => Promise<object> | object;
}

/** Who calls, and what stands in the path. */
export interface MlflowCaller {
  readonly by: string;
  readonly path: Readonly<Record<string, string>>;
}

export function callerOf({ user, path }: Pick<Call, "user" | "path">): MlflowCaller {
  return { by: user === null ? "gateway" : `key ${user}`, path };
}

/** A call of MLflow's REST API: the scope `registry` is good for it, to read also `read`. */
export function mlflowDoor<Fields extends z.ZodRawShape>(call: MlflowCall<Fields>): Door {
  const { method, path, title, reads, errors = [], answer } = call;
  const fields = z.object(call.fields);
  const isInQuery = method === "GET";
  const { parts, requestMs } = call;
  return door({
    ...{ method, path: `/api/2.0/mlflow/${path}`, title },
    ...(reads ? { scope: "read", orScope: "registry" } : { scope: "registry" }),
    about: call.about ?? "As MLflow's REST API has it.",
    ...(parts !== undefined && { parts }),
    ...(isInQuery ? { takes: "none", query: fields } : { takes: "value", body: fields }),
    ...(requestMs !== undefined && { requestMs }),
    answers: { status: 200, schema: anyObject },
    errors: [...own, ...(reads ? [] : writing), ...errors],
    errorBody: mlflowError,
    handle: async (made) => {
      const asked = (isInQuery ? made.query : made.body) as z.infer<z.ZodObject<Fields>>;
      return { body: await answer(asked, callerOf(made)) };
    },
  } as Parameters<typeof door>[0]);
}
