/**
 * `millrace/client`: the gateway from TypeScript, over fetch and nothing else. Why long: it is one
 * module without imports, so that a page loads it alone, and tells what every answer holds.
 */

/** A feature's value: instants are UTC ms; whole numbers beyond ±(2^53 − 1) are digits as text. */
export type FeatureValue = number | string | boolean | null;

export type FeatureStatus = "FRESH" | "STALE" | "MISSING" | "DEFAULT";

/** A value of a key field; of whole numbers beyond ±(2^53 − 1) a bigint or the digits. */
export type KeyValue = string | number | bigint | boolean;

/** What is said of a row, see `docs/serving.md`; times are UTC ms. */
export interface RowFacts {
  readonly status: FeatureStatus;
  readonly at: number | null;
  readonly asOf: number | null;
  readonly validUntil: number | null;
  readonly ageMs: number | null;
  readonly lagMs: number | null;
  readonly source: "online" | "offline";
}

/** Features of one entity. */
export interface Features extends RowFacts {
  readonly topology: string;
  /** `name@version`. */
  readonly view: string;
  readonly key: Readonly<Record<string, string>>;
  /** By name; empty where the row is MISSING. */
  readonly features: Readonly<Record<string, FeatureValue>>;
  readonly incomplete: readonly string[];
}

/** Features of entities of one view. */
export interface ViewRows {
  readonly topology: string;
  readonly view: string;
  readonly keyFields: readonly string[];
  /** Names, in the order of the values. */
  readonly features: readonly string[];
  readonly incomplete: readonly string[];
  /** In the order of the keys. */
  readonly rows: readonly (RowFacts & {
    readonly key: readonly string[];
    readonly values: readonly FeatureValue[];
  })[];
}

/** Entities of one view that are asked for. */
export interface ViewRead {
  /** `name` or `name@version`. */
  readonly view: string;
  readonly topology?: string;
  /** Each: values of the key fields; of one field the value alone will do. */
  readonly keys: readonly (KeyValue | readonly KeyValue[])[];
  /** Those alone, in this order. */
  readonly features?: readonly string[];
  /** Values that stand in for a row that is MISSING. */
  readonly defaults?: Readonly<Record<string, FeatureValue>>;
}

export interface ReadOptions {
  /** Event time: UTC ms, a date, or ISO 8601. @default now; of a replay how far the view is */
  readonly at?: number | string | Date;
  /** Whose view, where several topologies have one of its name. @default the only one */
  readonly topology?: string;
  /** How far the view may lie behind with its row still FRESH, ms. @default 1000 live, else 0 */
  readonly maxLagMs?: number;
}

/** Where an event stands. */
export interface SentEvent {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** What became of a batch. */
export interface SentBatch {
  readonly topic: string;
  readonly accepted: number;
  readonly refused: number;
  /** In the order of the events. */
  readonly results: readonly (
    | { readonly index: number; readonly partition: number; readonly offset: number }
    | { readonly index: number; readonly code: string; readonly reason: string }
  )[];
}

export interface SendOptions {
  /** Names the request, so that it is done once. @default a new UUID */
  readonly idempotencyKey?: string;
}

/** What the features of a look-up came from. */
export interface LookedUp {
  /** Prefix of its features. */
  readonly slot: string;
  /** `name@version`. */
  readonly view: string;
  readonly key: string;
  readonly status: Exclude<FeatureStatus, "DEFAULT">;
  readonly asOf: number | null;
  readonly ageMs: number | null;
}

/** A prediction, see `docs/serving.md`. */
export interface Prediction {
  /** Of the record: the one that it brought, or a new one. */
  readonly id: string;
  /** UTC ms. */
  readonly predictedAt: number;
  readonly probability: number;
  /** Of the model that answered; null: the fallback did. */
  readonly version: string | null;
  /** Null: a model answered. */
  readonly fallbackReason:
    | "no model"
    | "late"
    | "failed"
    | "put aside"
    | "out of range"
    | "busy"
    | null;
  readonly latencyMs: number;
  /** Of a step with rules: the score before them. */
  readonly score?: number;
  /** Rule that gave the probability; null: none. */
  readonly rule?: string | null;
  /** Of the first threshold that holds, and which that is. */
  readonly decision?: boolean | null;
  readonly decidedBy?: string | null;
  /** Of a step with ranges: the features outside theirs. */
  readonly flags?: readonly string[];
  /** Of a step that is routed: who answered, and the version that was to. */
  readonly role?: "champion" | "challenger" | "fallback";
  readonly assigned?: string | null;
  /** Why a challenger did not answer that was to. */
  readonly rerouted?: string | null;
  /** Of the key, from 0 up to 1. */
  readonly bucket?: number;
  readonly segment?: string | null;
  /** With `features`: the vector by name, null where missing. */
  readonly features?: Readonly<Record<string, number | null>>;
  readonly lookedUp?: readonly LookedUp[];
  /** With `explain`: of the model's score; null: `explanationReason` says why. */
  readonly explanation?: Explanation | null;
  readonly explanationReason?: string;
}

/** What each feature contributes to what a model says of a record, see `docs/serving.md`. */
export interface Explanation {
  /** What the model says where no feature is known. */
  readonly expected: number;
  /** By feature; with `expected` and `rest` they add up to the margin, or to the value. */
  readonly contributions: Readonly<Record<string, number>>;
  /** Of a step that explains: the contributions of all features that it does not name. */
  readonly rest?: number;
  /** A margin is what a logistic function or softmax makes the probability of. */
  readonly of: "margin" | "value";
  /** How unknown features go: by the training's rows, by leaves, or as zeros. */
  readonly by: "hitrates" | "leaves" | "coefficients";
}

/** A record that there is no prediction for. */
export interface RefusedRecord {
  /** Of the record, from 0 on. */
  readonly index: number;
  /** RECORD_REFUSED, RECORD_EXCLUDED or PREDICTION_LATE. */
  readonly code: string;
  readonly reason: string;
}

/** What became of the records of a request. */
export interface PredictedBatch {
  readonly topology: string;
  readonly step: string;
  readonly model: string;
  readonly answered: number;
  readonly refused: number;
  /** In the order of the records; one with a `code` has no answer. */
  readonly predictions: readonly (Prediction | RefusedRecord)[];
}

export interface PredictOptions {
  /** From the request to the prediction, ms. @default the step's own, for the model call alone */
  readonly deadlineMs?: number;
  /** What becomes of a late one: the fallback answers, or it is an error. @default "fallback" */
  readonly late?: "fallback" | "error";
  /** Who goes first where rows wait for the model. @default "normal" */
  readonly priority?: "high" | "normal" | "low";
  /** Whether to tell the features and what they came from. @default false */
  readonly features?: boolean;
  /** Whether to explain the model's scores, of up to 100 records. @default false */
  readonly explain?: boolean;
  /** Whose step, where several topologies have one of its name. @default the only one */
  readonly topology?: string;
}

/** A scoring step of the application. */
export interface NamedStep {
  readonly topology: string;
  readonly step: string;
  readonly model: string;
  /** Why it cannot be asked; null: it can. */
  readonly unserved: string | null;
}

/** What a scoring step takes, looks up and answers by, see `docs/serving.md`. */
export interface StepDescription {
  readonly topology: string;
  readonly step: string;
  /** Topic whose records it is asked about. */
  readonly source: string;
  /** Fields of a record, in the order of the source. */
  readonly record: readonly {
    /** By its path: of a record within a record `a.b`. */
    readonly field: string;
    /** number, integer, boolean, text, timestamp, or a `list of` one. */
    readonly type: string;
    /** Whether a record without it is refused. */
    readonly required: boolean;
    /** Whether the score may depend on it. */
    readonly used: boolean;
    /** Left out, the id is a new one, and the time is now. */
    readonly role: "id" | "time" | null;
    readonly about?: string;
  }[];
  readonly lookups: readonly {
    /** Prefix of its features. */
    readonly slot: string;
    /** `name@version`. */
    readonly view: string;
    /** Of the record, in the order of the view's key. */
    readonly keyFields: readonly string[];
    readonly features: readonly string[];
  }[];
  /** Features that the record brings itself. */
  readonly request: readonly { readonly feature: string; readonly field: string }[];
  /** All of them, in the order of the vector. */
  readonly features: readonly string[];
  readonly model: { readonly name: string; readonly alias: "champion" };
  /** Fields of the record that say which version answers; null: the champion does. */
  readonly routing: { readonly by: string; readonly segment: string | null } | null;
  /** Of the model call, where a request names none. */
  readonly deadlineMs: number;
  readonly fallback: { readonly probability: number; readonly previous: boolean };
  /** In their order. */
  readonly rules: readonly {
    readonly name: string;
    readonly kind: "override" | "blockList" | "threshold";
  }[];
  readonly ranges: readonly {
    readonly feature: string;
    readonly min: number | null;
    readonly max: number | null;
    readonly outside: "flag" | "refuse";
  }[];
  readonly explains: boolean;
}

/** The gateway has refused a request, or failed. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  /** Of `docs/errors.md`: match on it. */
  readonly code: string;
  readonly status: number;
  /** Part of the request that is wrong. */
  readonly where: string | null;
  readonly todo: string;
  /** As the gateway's log has it. */
  readonly requestId: string | null;

  constructor(answer: Response, body: Partial<Record<string, unknown>>) {
    super(String(body["message"] ?? `the gateway answered ${answer.status}`));
    this.code = String(body["code"] ?? "UNKNOWN");
    this.status = answer.status;
    this.where = body["where"] == null ? null : String(body["where"]);
    this.todo = String(body["todo"] ?? "");
    this.requestId = answer.headers.get("x-request-id");
  }
}

export interface GatewayClientOptions {
  /** Where the gateway is. @default "http://127.0.0.1:8080" */
  readonly url?: string;
  /** API key. @default none */
  readonly key?: string;
  /** Of one attempt, ms. @default 10000 */
  readonly timeoutMs?: number;
  /** Further attempts where the gateway is busy, ends, or does not answer. @default 2 */
  readonly retries?: number;
}

/** Asks a gateway. */
export interface GatewayClient {
  /** Features of one entity. @throws {GatewayError} */
  features(
    view: string,
    key: KeyValue | readonly KeyValue[],
    options?: ReadOptions,
  ): Promise<Features>;
  /** Features of many entities of several views, in one request. @throws {GatewayError} */
  featureRows(
    views: readonly ViewRead[],
    options?: Omit<ReadOptions, "topology">,
  ): Promise<readonly ViewRows[]>;
  /** The scoring steps. @throws {GatewayError} */
  steps(): Promise<readonly NamedStep[]>;
  /**
   * What a step takes of a record, what it looks up, and how it answers.
   *
   * @throws {GatewayError} STEP_UNKNOWN, STEP_AMBIGUOUS, STEP_UNSERVED
   */
  step(name: string, options?: Pick<PredictOptions, "topology">): Promise<StepDescription>;
  /**
   * A prediction for a record, of which the fields that its score depends on will do.
   *
   * @throws {GatewayError} RECORD_REFUSED, PREDICTION_LATE
   */
  predict(step: string, record: object, options?: PredictOptions): Promise<Prediction>;
  /**
   * Predictions for up to 1,000 records, in their order; all or none.
   *
   * @throws {GatewayError} of the first record that has no answer, too.
   */
  predictAll(
    step: string,
    records: readonly object[],
    options?: PredictOptions,
  ): Promise<readonly Prediction[]>;
  /** As `predictAll`, each with an answer of its own. @throws {GatewayError} */
  predictEach(
    step: string,
    records: readonly object[],
    options?: PredictOptions,
  ): Promise<PredictedBatch>;
  /** Sends one event; resolves once Kafka has it. @throws {GatewayError} EVENT_REFUSED */
  send(topic: string, event: object, options?: SendOptions): Promise<SentEvent>;
  /** Sends events, each with a result of its own. @throws {GatewayError} */
  sendAll(topic: string, events: readonly object[], options?: SendOptions): Promise<SentBatch>;
}

const defaults = { url: "http://127.0.0.1:8080", timeoutMs: 10_000, retries: 2 };

/**
 * A client of a gateway. Attempts are repeated where that is safe: reads, and events under the
 * idempotency key that each request gets.
 *
 * @example
 * const client = gatewayClient({ url: "http://127.0.0.1:8080" });
 * const { status, features } = await client.features("card_spending", "4711");
 */
export function gatewayClient(options: GatewayClientOptions = {}): GatewayClient {
  const { url, key, timeoutMs, retries } = { ...defaults, ...options };
  const base = url.endsWith("/") ? url.slice(0, -1) : url;
  const own: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };

  const ask = async (path: string, init: RequestInit, expected: readonly number[]) => {
    for (let attempt = 0; ; attempt++) {
      const isLast = attempt >= retries;
      try {
        const signal = AbortSignal.timeout(timeoutMs);
        const headers = { ...own, ...(init.headers as Record<string, string>) };
        const answer = await fetch(base + path, { ...init, headers, signal });
        const body = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
        // What each of a batch was refused with is an answer; what the request was is none.
        if (expected.includes(answer.status) && body["code"] === undefined) return body;
        const mayPass = answer.status === 429 || answer.status === 503;
        if (!mayPass || isLast) throw new GatewayError(answer, body);
        const seconds = Number(answer.headers.get("retry-after") ?? 1);
        await wait(Math.min(Math.max(seconds, 0), 30) * 1_000);
      } catch (error) {
        if (error instanceof GatewayError || isLast) throw error;
        await wait(100 * 2 ** attempt);
      }
    }
  };
  const post = (path: string, body: unknown, headers = {}, expected: readonly number[] = [200]) => {
    const type = { "content-type": "application/json" };
    const init = { method: "POST", body: exactJson(body), headers: { ...type, ...headers } };
    return ask(path, init, expected);
  };
  const sending = (topic: string, body: unknown, { idempotencyKey }: SendOptions) => {
    const headers = { "idempotency-key": idempotencyKey ?? globalThis.crypto.randomUUID() };
    const expected = Array.isArray(body) ? [202, 207, 422] : [202];
    return post(`/v1/events/${encodeURIComponent(topic)}`, body, headers, expected);
  };
  return {
    features: async (view, entity, read = {}) => {
      const parts = [entity].flat().map((part) => encodeURIComponent(String(part)));
      // In a path they are steps, which fetch takes before it asks.
      if (parts.some((part) => part === "." || part === "..")) {
        const asked = { view, keys: [[entity].flat()], topology: read.topology };
        const { at = null, maxLagMs } = read;
        const time = at === null ? null : instantOf(at);
        return oneOf(await post("/v1/features", { views: [asked], at: time, maxLagMs }));
      }
      const query = new URLSearchParams();
      if (read.at !== undefined) query.set("at", String(instantOf(read.at)));
      if (read.topology !== undefined) query.set("topology", read.topology);
      if (read.maxLagMs !== undefined) query.set("maxLagMs", String(read.maxLagMs));
      const asked = query.size === 0 ? "" : `?${query}`;
      const path = `/v1/features/${encodeURIComponent(view)}/${parts.join("/")}${asked}`;
      return (await ask(path, {}, [200])) as unknown as Features;
    },
    featureRows: async (views, { at, ...read } = {}) => {
      const time = at === undefined ? {} : { at: instantOf(at) };
      const body = await post("/v1/features", { views, ...time, ...read });
      return body["views"] as readonly ViewRows[];
    },
    steps: async () => {
      const { steps } = await ask("/v1/predict", {}, [200]);
      return steps as readonly NamedStep[];
    },
    step: async (name, { topology } = {}) => {
      const asked = topology === undefined ? "" : `?topology=${encodeURIComponent(topology)}`;
      const path = `/v1/predict/${encodeURIComponent(name)}${asked}`;
      return (await ask(path, {}, [200])) as unknown as StepDescription;
    },
    predict: async (step, record, how = {}) => {
      const path = `/v1/predict/${encodeURIComponent(step)}`;
      return (await post(path, { record, ...how })) as unknown as Prediction;
    },
    predictAll: async (step, records, how = {}) => {
      const asked = { records, ...how, allOrNone: true };
      const body = await post(`/v1/predict/${encodeURIComponent(step)}`, asked);
      return body["predictions"] as readonly Prediction[];
    },
    predictEach: async (step, records, how = {}) => {
      const path = `/v1/predict/${encodeURIComponent(step)}`;
      const asked = { records, ...how };
      return (await post(path, asked, {}, [200, 207, 422, 504])) as unknown as PredictedBatch;
    },
    send: async (topic, event, how = {}) =>
      (await sending(topic, event, how)) as unknown as SentEvent,
    sendAll: async (topic, events, how = {}) =>
      (await sending(topic, events, how)) as unknown as SentBatch,
  };
}

/** The one entity of an answer of many. */
function oneOf(body: Record<string, unknown>): Features {
  const [found] = body["views"] as [ViewRows];
  const { rows, keyFields, features: names, ...facts } = found;
  const [{ key, values, ...row }] = rows as [ViewRows["rows"][number]];
  const named = names.map((name, index) => [name, values[index] ?? null] as const);
  return {
    ...{ ...facts, ...row },
    key: Object.fromEntries(keyFields.map((field, index) => [field, key[index] ?? ""])),
    features: row.status === "MISSING" ? {} : Object.fromEntries(named),
  };
}

function instantOf(at: number | string | Date): number | string {
  return at instanceof Date ? at.getTime() : at;
}

/** Whole numbers of 64 bits as the text of their digits. */
function exactJson(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "bigint" ? String(each) : each,
  );
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
