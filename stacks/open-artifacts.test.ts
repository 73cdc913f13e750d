import assert from "node:assert/strict";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ArtifactsAccess } from "../runtime/config/artifacts-access.ts";
import { createMemoryOfflineStore } from "../sinks/memory/memory.ts";
import { openArtifacts } from "./open-artifacts.ts";

const folder = await mkdtemp(join(tmpdir(), "millrace-place-"));
after(() => rm(folder, { recursive: true, force: true }));

async function placeOf(access: ArtifactsAccess) {
  const offline = createMemoryOfflineStore();
  return await (await openArtifacts(join(folder, "data"), access, offline)).place?.();
}

function s3(bucket: string, endpoint: string | null): ArtifactsAccess {
  const keys = { accessKeyId: "user", secretAccessKey: "hidden" };
  return { kind: "s3", options: { bucket, prefix: "", endpoint, ...keys } };
}

test("a directory is the same store by whatever path, and another one is another", async () => {
  const at = (name: string) => placeOf({ kind: "directory", directory: join(folder, name) });
  const [one, again] = await Promise.all([at("one"), at("one")]);
  assert.equal(one?.id, again?.id);
  await rename(join(folder, "one"), join(folder, "moved"));
  const moved = await at("moved");
  assert.equal(moved?.id, one?.id);
  assert.match(moved?.where ?? "", /^directory .*moved$/);
  assert.notEqual((await at("two"))?.id, one?.id);
});

test("kinds of stores, buckets and endpoints are told apart, and no secret shows", async () => {
  const places = [
    await placeOf({ kind: "clickhouse" }),
    await placeOf(s3("models", null)),
    await placeOf(s3("others", null)),
    await placeOf(s3("models", "http://127.0.0.1:1")),
  ];
  assert.equal(new Set(places.map((place) => place?.id)).size, places.length);
  assert.doesNotMatch(JSON.stringify(places), /hidden/);
  assert.equal(await placeOf({ kind: "local" }), undefined, "one machine shares nothing");
});
