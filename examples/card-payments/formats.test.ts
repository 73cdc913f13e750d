import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ApplicationSpec } from "millrace";
import { openStack, run } from "millrace/run";
import { allDigests } from "../../loadtest/digests.ts";
import avro from "./app.ts";
import { application as json } from "./app-json.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-formats-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Rows and hashes of all tables after a run of nine days. */
async function digestsOf(application: ApplicationSpec, data: string): Promise<string> {
  const [plan] = application.topologies;
  assert.ok(plan !== undefined);
  const { summary } = await run(application, { data, settings: { days: 9, customers: 200 } });
  assert.ok(summary?.balanced);
  const stack = await openStack({ data });
  try {
    return await stack.offline.of(plan.name).queryText(allDigests(plan), "TSV");
  } finally {
    await stack.close();
  }
}

test("the same payments as JSON and as Avro leave the same rows, byte for byte", async () => {
  const ofAvro = await digestsOf(avro, join(folder, "avro"));
  const ofJson = await digestsOf(json, join(folder, "json"));
  assert.match(ofAvro, /^predictions\t3\d{3}\t/m);
  assert.equal(ofJson, ofAvro);
});
