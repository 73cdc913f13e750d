import { MillraceError } from "../../schemas/errors.ts";
import { fromElsewhere } from "../../schemas/from-elsewhere.ts";
import { hasScope, keyOf, type Scope } from "./api-key.ts";
import type { KnownKeys } from "./key-file.ts";
import { TokenBuckets } from "./token-bucket.ts";

/** Headers of a request, as Node gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Who may ask for what. */
export class Access {
  readonly #keys: () => KnownKeys;
  readonly #buckets: TokenBuckets;

  constructor(keys: () => KnownKeys, buckets = new TokenBuckets()) {
    this.#keys = keys;
    this.#buckets = buckets;
  }

  /**
   * The id of the key that asks, which needs one of the scopes; null: there are no keys, and a
   * program of this machine asks.
   *
   * @throws {MillraceError} KEY_MISSING, KEY_REFUSED, KEY_SCOPE, KEY_OVERUSED, HOST_REFUSED.
   */
  admit(headers: Headers, scope: Scope, orScope: Scope = scope): string | null {
    const { byId, isLocked } = this.#keys();
    if (!isLocked) {
      refuseBrowsers(headers);
      return null;
    }
    const given = givenKey(headers);
    if (given === null) throw new MillraceError("KEY_MISSING", { where: "headers.authorization" });
    const key = keyOf(given, byId);
    if (key === null) throw new MillraceError("KEY_REFUSED", { where: "headers.authorization" });
    const { id, name, rate, burst } = key;
    if (!hasScope(key, scope) && !hasScope(key, orScope)) {
      throw new MillraceError("KEY_SCOPE", { name, scope });
    }
    const wait = rate === null ? null : this.#buckets.take(id, rate, burst);
    if (wait === null) return id;
    const retryAfterSeconds = Math.max(1, Math.ceil(wait));
    throw new MillraceError("KEY_OVERUSED", { name, rate, retryAfterSeconds });
  }
}

function givenKey(headers: Headers): string | null {
  const [, bearer] = /^Bearer +(\S+)$/i.exec(String(headers["authorization"] ?? "")) ?? [];
  const own = headers["x-api-key"];
  return bearer ?? (typeof own === "string" ? own : null);
}

/** A page of another site that a browser here shows could ask, too. */
function refuseBrowsers(headers: Headers): void {
  const by = fromElsewhere(headers);
  if (by === null) return;
  const value = shortly(String(headers[by] ?? ""));
  const found = { host: `a request to ${value}`, origin: `a page of ${value}` };
  throw new MillraceError("HOST_REFUSED", {
    found: by === "sec-fetch-site" ? "a page of another site" : found[by],
    where: `headers.${by}`,
  });
}

function shortly(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
