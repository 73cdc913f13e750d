import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type ChdbStore, openChdb } from "./chdb.ts";
import { openClickHouse } from "./clickhouse.ts";
import { conformanceBlock, offlineConformance } from "./offline-conformance.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-clickhouse-"));
const engines: ChdbStore[] = [];
after(async () => {
  for (const engine of engines) await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

offlineConformance("clickhouse", async () => {
  const engine = await openChdb({
    directory: join(folder, "data"),
    spoolDirectory: join(folder, "spool"),
    httpPort: 0,
  });
  engines.push(engine);
  return openClickHouse({ url: engine.httpAddress ?? "" });
});

test("a server that does not answer is an error to retry", async () => {
  const store = openClickHouse({ url: "http://127.0.0.1:9", requestTimeoutMs: 2_000 });
  await assert.rejects(store.insert(conformanceBlock(0, 1)), { code: "OFFLINE_UNAVAILABLE" });
  await assert.rejects(store.query("SELECT 1"), { policy: "retry" });
  await store.close();
});
