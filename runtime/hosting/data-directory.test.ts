import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { claimDataDirectory, type DataClaim, dataFormat, readManifest } from "./data-directory.ts";

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

test("what a start left before anything ran binds nobody, and what binds is named as it was given", () =>
  inDirectory(async (directory) => {
    await claimDataDirectory(directory, claim);
    const others: Partial<DataClaim>[] = [
      { from: "2001-01-02T00:00:00.000Z" },
      { to: "2001-01-03T00:00:00.000Z" },
      { identity: ["late:1%"] },
      { plans: { payments: "b".repeat(64) } },
      { live: true },
    ];
    for (const other of others) {
      const changed = { ...claim, ...other };
      await assert.rejects(claimDataDirectory(directory, changed, async () => false));
      assert.deepEqual(await claimDataDirectory(directory, changed, async () => true), {
        format: dataFormat,
        ...changed,
      });
      await claimDataDirectory(directory, claim, async () => true);
    }
    const own = { ...claim, hasRange: false };
    await assert.rejects(claimDataDirectory(directory, { ...own, from: "2001-01-02" }), {
      code: "DATA_RANGE_CHANGED",
      message:
        /begun with events of its feeder from 2001-01-01T\S+, not 2001-01-02\. Go on with that/,
    });
    await assert.rejects(claimDataDirectory(directory, { ...own, to: "2001-01-02" }), {
      code: "DATA_RANGE_SHORTER",
      message: /beyond the events of its feeder, which end at 2001-01-02\. Give the feeder/,
    });
  }));
