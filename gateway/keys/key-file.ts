import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { MillraceError } from "../../schemas/errors.ts";
import { nearest } from "../../schemas/nearest.ts";
import { type ApiKey, hashOf, newKey, type Scope, scopes } from "./api-key.ts";

const keySchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{8}$/),
  name: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(z.enum(scopes)).min(1),
  rate: z.number().positive().nullable(),
  burst: z.number().min(1),
  created: z.string(),
  revoked: z.string().nullable(),
});
const fileSchema = z.strictObject({ keys: z.array(keySchema) });

/**
 * The keys of a file, revoked ones too; none where it is missing.
 *
 * @throws {MillraceError} KEYS_FILE_INVALID.
 */
export function readKeys(file: string): ApiKey[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new MillraceError("KEYS_FILE_INVALID", { file, reason: message });
  }
  const refused = (reason: string) => new MillraceError("KEYS_FILE_INVALID", { file, reason });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refused("it is no JSON");
  }
  const parsed = fileSchema.safeParse(value);
  if (parsed.success) return parsed.data.keys;
  const [issue] = parsed.error.issues;
  throw refused(`${issue?.path.join(".") || "it"}: ${issue?.message}`);
}

/** A key of those that are made, and for how much. */
export interface KeyWish {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly rate: number | null;
  readonly burst: number;
}

/**
 * Adds a key to a file, which is made owner-only where it is missing. The key itself is returned
 * and kept nowhere.
 *
 * @throws {MillraceError} KEYS_FILE_INVALID.
 */
export function addKey(file: string, wish: KeyWish, now: Date): { key: string; added: ApiKey } {
  const keys = readKeys(file);
  const { id, key } = newKey();
  const added: ApiKey = {
    ...{ id, name: wish.name, sha256: hashOf(key), scopes: wish.scopes },
    ...{ rate: wish.rate, burst: wish.burst, created: now.toISOString(), revoked: null },
  };
  writeKeys(file, [...keys, added]);
  return { key, added };
}

/** @throws {MillraceError} KEY_UNKNOWN, KEYS_FILE_INVALID. */
export function revokeKey(file: string, id: string, now: Date): ApiKey {
  const keys = readKeys(file);
  const found = keys.find((key) => key.id === id);
  if (found === undefined) {
    const near = nearest(
      id,
      keys.map((key) => key.id),
    );
    throw new MillraceError("KEY_UNKNOWN", { id, file, near });
  }
  const revoked = { ...found, revoked: found.revoked ?? now.toISOString() };
  writeKeys(
    file,
    keys.map((key) => (key.id === id ? revoked : key)),
  );
  return revoked;
}

/** Whole or not at all: a gateway may read it at any time. */
function writeKeys(file: string, keys: readonly ApiKey[]): void {
  const beside = `${file}.${randomBytes(4).toString("hex")}`;
  writeFileSync(beside, `${JSON.stringify({ keys }, null, 2)}\n`, { mode: 0o600, flag: "wx" });
  renameSync(beside, file);
}

/** What a gateway knows of its keys. */
export interface KnownKeys {
  /** By id, revoked ones too. */
  readonly byId: ReadonlyMap<string, ApiKey>;
  /** Whether there is a key that is good: without one, programs of this machine need none. */
  readonly isLocked: boolean;
}

/** How often the file is looked at, ms. */
const lookEveryMs = 1_000;

/**
 * Keys of a file, as it is now: read again within a second after it has changed. Once there were
 * keys, the gateway stays locked whatever becomes of the file; what can no longer be read, or is
 * gone, lets nobody in.
 *
 * @throws {MillraceError} KEYS_FILE_INVALID of the file as it is at first.
 */
export function watchKeys(
  file: string,
  now: () => number = () => performance.now(),
): () => KnownKeys {
  let [stamp, lookedAt] = [stampOf(file), now()];
  let known = knownFrom(readKeys(file), false);
  return () => {
    if (now() - lookedAt < lookEveryMs) return known;
    lookedAt = now();
    const found = stampOf(file);
    if (found === stamp) return known;
    stamp = found;
    try {
      known = knownFrom(readKeys(file), known.isLocked);
    } catch {
      known = { byId: new Map(), isLocked: true };
    }
    return known;
  };
}

function knownFrom(keys: readonly ApiKey[], wasLocked: boolean): KnownKeys {
  return {
    byId: new Map(keys.map((key) => [key.id, key])),
    isLocked: wasLocked || keys.length > 0,
  };
}

function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.mtimeMs} ${found.size} ${found.ino}`;
}
