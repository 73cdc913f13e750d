import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** What a key may be good for. */
export const scopes = ["read", "predict", "ingest", "registry", "admin"] as const;
export type Scope = (typeof scopes)[number];

/** A key as its file holds it: nobody can ask with that. */
export interface ApiKey {
  /** Part of the key that may be shown: 8 hexadecimal digits. */
  readonly id: string;
  /** Whose it is, for people. */
  readonly name: string;
  /** SHA-256 of the whole key, hexadecimal: a key is random, so that no slow hash is needed. */
  readonly sha256: string;
  /** `admin` is good for everything. */
  readonly scopes: readonly Scope[];
  /** Requests a second in the long run; null: no limit of its own. */
  readonly rate: number | null;
  /** Requests at once after a rest; not below 1. */
  readonly burst: number;
  /** ISO 8601, UTC. */
  readonly created: string;
  /** ISO 8601, UTC; null: it is good. */
  readonly revoked: string | null;
}

const form = /^mr_([0-9a-f]{8})_[A-Za-z0-9_-]{43}$/;

/** A new key of 256 random bits, and its id. */
export function newKey(): { readonly id: string; readonly key: string } {
  const id = randomBytes(4).toString("hex");
  return { id, key: `mr_${id}_${randomBytes(32).toString("base64url")}` };
}

export function hashOf(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

/** The key that a text is, null: none, or a revoked one. Takes equally long whatever differs. */
export function keyOf(text: string, keys: ReadonlyMap<string, ApiKey>): ApiKey | null {
  const [, id = ""] = form.exec(text) ?? [];
  const found = keys.get(id);
  const digest = Buffer.from(hashOf(text), "hex");
  const isEqual = timingSafeEqual(digest, found ? Buffer.from(found.sha256, "hex") : nobody);
  return found !== undefined && isEqual && found.revoked === null ? found : null;
}

const nobody = Buffer.alloc(32);

export function hasScope({ scopes: own }: Pick<ApiKey, "scopes">, scope: Scope): boolean {
  return own.includes(scope) || own.includes("admin");
}
