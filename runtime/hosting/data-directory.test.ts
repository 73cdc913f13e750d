import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { claimDataDirectory, type DataClaim, readManifest } from "./data-directory.ts";

const claim: DataClaim = {
  application: { name: "flights", module: "/app.ts" },
  plans: { flights: "a".repeat(64) },
  from: "2001-01-01T00:00:00.000Z",
  to: "2001-01-15T00:00:00.000Z",
  identity: [],
};

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), "millrace-"));
  try {
    await run(join(parent, "data"));
  } finally {
    await rm(parent, { recursive: true });
  }
}

test("a data directory is owner-only and remembers what it was begun with", () =>
  inDirectory(async (directory) => {
    assert.equal(await readManifest(directory), null);
    const manifest = await claimDataDirectory(directory, claim);
    assert.deepEqual(await readManifest(directory), manifest);
    assert.equal((await stat(directory)).mode & 0o777, 0o700);
    assert.equal((await stat(join(directory, "millrace.json"))).mode & 0o777, 0o600);
  }));

test("a run may go on, or further, but not with another start, injection, topology or earlier end", () =>
  inDirectory(async (directory) => {
    await claimDataDirectory(directory, claim);
    await claimDataDirectory(directory, claim);
    await claimDataDirectory(directory, { ...claim, to: "2001-02-01T00:00:00.000Z" });
    const refused = (change: Partial<DataClaim>, code: string) =>
      assert.rejects(claimDataDirectory(directory, { ...claim, ...change }), { code });
    await refused({ from: "2001-01-02T00:00:00.000Z" }, "DATA_RANGE_CHANGED");
    await refused({ identity: ["late:1%"] }, "DATA_RANGE_CHANGED");
    await refused({ plans: { payments: "b".repeat(64) } }, "DATA_APPLICATION_CHANGED");
    await refused({}, "DATA_RANGE_SHORTER");
    const changed = { plans: { flights: "b".repeat(64) }, to: "2001-02-01T00:00:00.000Z" };
    // What may be changed of a topology is decided by what stands in Kafka.
    await claimDataDirectory(directory, { ...claim, ...changed });
  }));
