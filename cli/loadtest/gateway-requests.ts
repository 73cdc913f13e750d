import { MillraceError } from "../../schemas/errors.ts";

/** How a gateway is asked. */
export interface GatewayAccess {
  /** Without a slash at its end. */
  readonly url: string;
  /** API key; null: it has none. */
  readonly key: string | null;
}

/** An answer of the gateway that has a body of JSON. */
export interface GatewayAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A gateway answers before by itself: `--request-timeout`. */
const longestMs = 60_000;

/** One request, once: what is busy or away is what a load is there to see. */
export async function askGateway(
  { url, key }: GatewayAccess,
  path: string,
  body: unknown = null,
): Promise<GatewayAnswer> {
  const own: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
  const headers = body === null ? own : { ...own, "content-type": "application/json" };
  const init = body === null ? {} : { method: "POST", body: JSON.stringify(body) };
  const signal = AbortSignal.timeout(longestMs);
  const answer = await fetch(url + path, { ...init, headers, signal }).catch((error: unknown) => {
    throw new Error(`no answer: ${reachedWhy(error)}`, { cause: error });
  });
  return { status: answer.status, body: (await answer.json()) as GatewayAnswer["body"] };
}

/** Why a request has no answer: what `fetch` keeps behind its error. */
function reachedWhy(error: unknown): string {
  const { cause, message } = error as Error & { readonly cause?: NodeJS.ErrnoException };
  // Of an address with several numbers the message is empty.
  return cause?.code ?? (cause?.message || message);
}

/** What was wrong with an answer, for people. */
export function refusalOf({ status, body }: GatewayAnswer): string {
  const results = [body["results"], body["predictions"]].find(Array.isArray) as unknown;
  const refused = Array.isArray(results) ? results.find((each) => "code" in each) : undefined;
  const { code = "", message = "", reason = message } = { ...body, ...refused };
  return `${status} ${code}: ${reason}`;
}

/** @throws {MillraceError} GATEWAY_AWAY, with what was seen. */
export async function gatewayIsThere(access: GatewayAccess): Promise<void> {
  const { url } = access;
  try {
    const answer = await askGateway(access, "/v1/views");
    // One whose key has another scope is there all the same: the load says what it may not.
    if (answer.status < 500 && answer.status !== 401 && answer.status !== 404) return;
    throw new MillraceError("GATEWAY_AWAY", { url, reason: refusalOf(answer) });
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new MillraceError("GATEWAY_AWAY", { url, reason: (error as Error).message });
  }
}
