import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { requirement } from "../../testing/requirements-fixture.ts";
import { type ChdbStore, openChdb } from "../chdb/chdb.ts";
import { shaOf, sharedArtifactsConformance } from "./artifacts-conformance.ts";
import { openClickHouseArtifacts } from "./clickhouse-artifacts.ts";
import { openDirectoryArtifacts } from "./directory-artifacts.ts";
import { openS3Artifacts } from "./s3-artifacts.ts";
import { type S3Proxy, startS3Proxy } from "./s3proxy-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-artifacts-"));
const skip = requirement("java", "maven");
const opened: { chdb?: ChdbStore; s3?: S3Proxy } = {};

before(async () => {
  opened.chdb = await openChdb({
    directory: join(folder, "chdb"),
    spoolDirectory: join(folder, "spool"),
  });
  if (skip === false) opened.s3 = await startS3Proxy(join(folder, "s3"));
});
after(async () => {
  await opened.chdb?.close();
  await opened.s3?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function chdb(): ChdbStore {
  assert.ok(opened.chdb);
  return opened.chdb;
}

function s3(secretAccessKey?: string) {
  assert.ok(opened.s3);
  const { endpoint, accessKeyId, secretAccessKey: secret } = opened.s3;
  return openS3Artifacts({
    bucket: "models",
    prefix: "flights/v 1",
    endpoint,
    accessKeyId,
    secretAccessKey: secretAccessKey ?? secret,
  });
}

sharedArtifactsConformance("directory", async () => openDirectoryArtifacts(join(folder, "shared")));
sharedArtifactsConformance("ClickHouse", async () => openClickHouseArtifacts(chdb()));

test("S3", { skip }, async (t) => {
  await t.test("keeps what every driver keeps", async () => {
    const bytes = Buffer.alloc(3_000_000, 0xa5);
    const sha256 = shaOf(bytes);
    assert.equal(await s3().read(sha256), null);
    await Promise.all([s3().write(sha256, bytes), s3().write(sha256, bytes)]);
    assert.deepEqual(await s3().read(sha256), bytes);
    await assert.rejects(s3().read("../x"), RangeError);
  });
  await t.test("a wrong key is an error, not a missing artifact, and names no secret", async () => {
    const forbidden = s3("wrong-secret").read(shaOf(Buffer.from("x")));
    await assert.rejects(forbidden, (error: Error) => {
      assert.match(error.message, /HTTP 403/);
      assert.doesNotMatch(error.message, /wrong-secret/);
      return true;
    });
  });
});

test("a directory shows an artifact whole or not at all, to nobody but its group", async () => {
  const directory = join(folder, "whole");
  const artifacts = openDirectoryArtifacts(directory);
  const bytes = Buffer.from("whole");
  await artifacts.write(shaOf(bytes), bytes);
  assert.deepEqual(readdirSync(directory), [`${shaOf(bytes)}.onnx`]);
  assert.equal(statSync(join(directory, `${shaOf(bytes)}.onnx`)).mode & 0o007, 0);
});
