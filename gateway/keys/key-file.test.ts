import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { keyOf } from "./api-key.ts";
import { addKey, readKeys, revokeKey, watchKeys } from "./key-file.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-keys-"));
after(() => rmSync(folder, { recursive: true }));

const wish = { name: "app", scopes: ["read" as const], rate: 5, burst: 10 };

test("a key is kept as its hash alone, owner-only", () => {
  const file = join(folder, "hashed.json");
  const { key, added } = addKey(file, wish, new Date(0));
  const text = readFileSync(file, "utf8");
  assert.match(key, /^mr_[0-9a-f]{8}_[\w-]{43}$/);
  assert.ok(!text.includes(key) && !text.includes(key.slice(12)));
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readKeys(file), [added]);
});

test("a gateway knows of a new key and of a revoked one after a second", () => {
  const file = join(folder, "watched.json");
  let now = 0;
  const look = watchKeys(file, () => now);
  assert.equal(look().isLocked, false);
  const { key, added } = addKey(file, wish, new Date(0));
  now += 1_000;
  assert.equal(look().isLocked, true);
  assert.equal(keyOf(key, look().byId)?.id, added.id);
  revokeKey(file, added.id, new Date(1));
  now += 1_000;
  assert.equal(keyOf(key, look().byId), null);
  assert.throws(() => revokeKey(file, "00000000", new Date(1)), { code: "KEY_UNKNOWN" });
});

test("a file that is damaged or gone lets nobody in, and never opens a locked gateway", () => {
  const file = join(folder, "damaged.json");
  let now = 0;
  const { key } = addKey(file, wish, new Date(0));
  const look = watchKeys(file, () => now);
  writeFileSync(file, '{"keys":[{"id":"x"}]}');
  now += 1_000;
  assert.deepEqual([look().isLocked, keyOf(key, look().byId)], [true, null]);
  rmSync(file);
  now += 1_000;
  assert.equal(look().isLocked, true);
  writeFileSync(file, "no JSON");
  assert.throws(() => watchKeys(file), { code: "KEYS_FILE_INVALID" });
});
