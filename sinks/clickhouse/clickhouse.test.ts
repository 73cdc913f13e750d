import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type ChdbStore, openChdb } from "../chdb/chdb.ts";
import { frontPassword } from "../chdb/front-password.ts";
import { conformanceBlock, conformanceTable, offlineConformance } from "../offline-conformance.ts";
import { openClickHouse } from "./clickhouse.ts";

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
  const password = await frontPassword(engine.passwordFile);
  return openClickHouse({ url: engine.httpAddress ?? "", password });
});

test("one database for two topologies is refused to the second", async () => {
  const [engine] = engines;
  assert.ok(engine);
  const url = engine.httpAddress ?? "";
  const password = await frontPassword(engine.passwordFile);
  const store = openClickHouse({ url, password, topologyDatabase: "shared" });
  await store.of("first").migrate([conformanceTable], []);
  await store.of("first").migrate([conformanceTable], []);
  const second = store.of("second").migrate([conformanceTable], []);
  await assert.rejects(second, {
    code: "OFFLINE_DATABASE_TAKEN",
    message: /shared.*first.*second/,
  });
  await store.close();
});

/** Answers as ClickHouse 25.11 does when a query fails after 100,000 bytes of rows. */
async function startFailing(ends: (response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    request.resume();
    response.setHeader("X-ClickHouse-Exception-Tag", "abcdefghijklmnop");
    response.write(Buffer.alloc(100_000, "r"));
    const message =
      "Code: 395. DB::Exception: stopped here. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)\n";
    const [marker, tag] = ["__exception__", "abcdefghijklmnop"];
    const parts = ["", marker, tag, `${message}${message.length} ${tag}`, marker, ""];
    response.write(parts.join("\r\n"), () => ends(response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, close: () => server.close() };
}

test("a query that fails after its first rows is refused, and its exception is no row", async () => {
  for (const ends of [
    (response: ServerResponse) => response.end(),
    (response: ServerResponse) => response.destroy(),
  ]) {
    const server = await startFailing((response) => void ends(response));
    const store = openClickHouse({ url: server.url });
    let taken = "";
    const reading = store.queryStream("SELECT 1", (chunk) => {
      taken += chunk.toString();
    });
    await assert.rejects(reading, { code: "OFFLINE_QUERY_FAILED", message: /395.*stopped here/ });
    assert.match(taken, /^r*$/);
    await store.close();
    server.close();
  }
});

test("a server that does not answer is an error to retry", async () => {
  const store = openClickHouse({ url: "http://127.0.0.1:9", requestTimeoutMs: 2_000 });
  await assert.rejects(store.insert(conformanceBlock(0, 1)), { code: "OFFLINE_UNAVAILABLE" });
  await assert.rejects(store.query("SELECT 1"), { policy: "retry" });
  await store.close();
});
