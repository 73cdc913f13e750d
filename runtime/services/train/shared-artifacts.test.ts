import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { shaOf } from "../../../sinks/artifacts/artifacts-conformance.ts";
import { openDirectoryArtifacts } from "../../../sinks/artifacts/directory-artifacts.ts";
import type { SharedArtifacts } from "../../../sinks/artifacts/shared-artifacts.ts";
import { openArtifactStore, readArtifact } from "./artifacts.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-shared-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);

test("what one machine stores is served on another from its own directory", async () => {
  const shared = openDirectoryArtifacts(at("shared"));
  const one = openArtifactStore(at("one"), { shared });
  const other = openArtifactStore(at("other"), { shared });
  const bytes = Buffer.from("a model");
  const sha256 = await one.put(bytes);
  await assert.rejects(readArtifact(other.directory, sha256), { code: "ARTIFACT_MISSING" });
  await other.ensure(sha256);
  assert.deepEqual(await readArtifact(other.directory, sha256), bytes);
  await assert.rejects(other.ensure("0".repeat(64)), { code: "ARTIFACT_MISSING" });
});

test("a file that was damaged here is fetched again; one that is damaged there is refused", async () => {
  const shared = openDirectoryArtifacts(at("damage"));
  const one = openArtifactStore(at("first"), { shared });
  const bytes = Buffer.from("another model");
  const sha256 = await one.put(bytes);
  writeFileSync(join(at("first"), `${sha256}.onnx`), "cut off");
  const restarted = openArtifactStore(at("first"), { shared });
  assert.deepEqual(await restarted.get(sha256), bytes);
  writeFileSync(join(at("damage"), `${sha256}.onnx`), "other bytes");
  const third = openArtifactStore(at("third"), { shared });
  await assert.rejects(third.ensure(sha256), { code: "ARTIFACT_DAMAGED" });
});

test("a store that is away for a moment is asked again, one that stays away is named", async () => {
  const directory = openDirectoryArtifacts(at("away"));
  let failures = 2;
  const shared: SharedArtifacts = {
    ...directory,
    write: async (sha256, bytes) => {
      if (failures-- > 0) throw new Error("connection refused");
      await directory.write(sha256, bytes);
    },
  };
  const options = { shared, retryAfterMs: [0, 0] };
  const store = openArtifactStore(at("patient"), options);
  const bytes = Buffer.from("a third model");
  assert.equal(await store.put(bytes), shaOf(bytes));
  failures = Number.POSITIVE_INFINITY;
  await assert.rejects(store.put(Buffer.from("a fourth")), {
    code: "ARTIFACTS_UNREACHABLE",
    message: /directory .*away.*connection refused/,
  });
});
