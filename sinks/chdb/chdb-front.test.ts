import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { type ChdbStore, openChdb } from "./chdb.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-front-"));
const opened: { store?: ChdbStore } = {};
before(async () => {
  opened.store = await openChdb({
    directory: join(folder, "data"),
    spoolDirectory: join(folder, "spool"),
    httpPort: 0,
  });
});
after(async () => {
  await opened.store?.close();
  rmSync(folder, { recursive: true, force: true });
});

function address(): string {
  return opened.store?.httpAddress ?? "";
}

function send(path: string, body: string | Buffer | null = null, headers = {}): Promise<Response> {
  const method = body === null ? "GET" : "POST";
  return fetch(`${address()}${path}`, { method, body, headers });
}

test("@clickhouse/client queries, inserts, streams and sees errors over the front", async () => {
  const client = createClient({
    url: address(),
    database: "millrace",
    log: { level: ClickHouseLogLevel.OFF },
  });
  assert.equal((await client.ping()).success, true);
  await client.command({
    query: "CREATE TABLE client (a Int64, b String) ENGINE = MergeTree ORDER BY a",
  });
  const values = [
    { a: 1, b: "x\n\n;DROP TABLE client;" },
    { a: 2, b: "y" },
  ];
  await client.insert({ table: "client", values, format: "JSONEachRow" });
  await client.insert({
    table: "client",
    values: Readable.from(["3,z\n"], { objectMode: false }),
    format: "CSV",
  });
  const result = await client.query({
    query: "SELECT toInt32(a) AS a, b FROM client WHERE a >= {least: Int64} ORDER BY a",
    query_params: { least: 1 },
    format: "JSONEachRow",
  });
  assert.deepEqual(await result.json(), [...values, { a: 3, b: "z" }]);
  const wide = await client.query({ query: "SELECT number FROM numbers(300000)", format: "CSV" });
  let rows = 0;
  for await (const chunk of wide.stream()) rows += chunk.length;
  assert.equal(rows, 300_000);
  await assert.rejects(client.query({ query: "SELECT * FROM nowhere" }), {
    code: "60",
    type: "UNKNOWN_TABLE",
  });
  await client.close();
});

test("curl's ways work: GET, a body, both in one body, packed", async () => {
  assert.equal(await (await send("/ping")).text(), "Ok.\n");
  assert.equal(await (await send("/?query=SELECT+1")).text(), "1\n");
  assert.match(await (await send("/?query=SHOW+DATABASES")).text(), /^millrace$/m);
  assert.equal(await (await send("/", "SELECT 1 AS a FORMAT JSONEachRow")).text(), '{"a":1}\n');
  await send("/", "CREATE TABLE curl (a Int64, b String) ENGINE = MergeTree ORDER BY a");
  const insert = encodeURIComponent("INSERT INTO curl FORMAT CSV");
  assert.equal((await send(`/?query=${insert}`, "1,one\n2,two\n")).status, 200);
  assert.equal((await send("/", "INSERT INTO curl FORMAT CSV\n3,three\n")).status, 200);
  const packed = gzipSync("INSERT INTO curl (a, b) FORMAT TSV\n4\tfour\n");
  assert.equal((await send("/", packed, { "content-encoding": "gzip" })).status, 200);
  assert.equal((await send("/", "INSERT INTO curl VALUES (5, 'five')")).status, 200);
  assert.equal(await (await send("/", "SELECT count(), sum(a) FROM curl")).text(), "5\t15\n");
  // The file of a body goes right after its answer.
  while ((await readdir(join(folder, "spool"))).length > 0) await wait(5);
});

test("bodies packed by lz4 and zstd, statement included, are unpacked by the engine", async () => {
  await send("/", "CREATE TABLE packed (a Int64) ENGINE = MergeTree ORDER BY a");
  for (const encoding of ["lz4", "zstd"]) {
    const file = join(folder, `body.${encoding}`);
    const target = `file('${file}', 'RawBLOB', 'd String', '${encoding}')`;
    const body = "'INSERT INTO packed (a) FORMAT TSV\\n7\\n8\\n'";
    assert.equal((await send("/", `INSERT INTO FUNCTION ${target} SELECT ${body}`)).status, 200);
    const sent = await send("/", await readFile(file), { "content-encoding": encoding });
    assert.equal(sent.status, 200, await sent.text());
  }
  assert.equal(await (await send("/", "SELECT count(), sum(a) FROM packed")).text(), "4\t30\n");
});

test("data of an INSERT is never run as SQL", async () => {
  await send("/", "CREATE TABLE victim (a String) ENGINE = MergeTree ORDER BY a");
  const data = 'INSERT INTO victim FORMAT CSV\n"x\n\nDROP TABLE victim;--"\n';
  assert.equal((await send("/", data)).status, 200);
  assert.equal(await (await send("/", "SELECT count() FROM victim")).text(), "1\n");
});

test("an error has ClickHouse's status, code and text; several statements are refused", async () => {
  const unknown = await send("/?query=SELECT+*+FROM+nowhere");
  assert.equal(unknown.status, 404);
  assert.equal(unknown.headers.get("x-clickhouse-exception-code"), "60");
  assert.match(await unknown.text(), /^Code: 60\. DB::Exception: .*nowhere/);
  const several = await send("/", "SELECT 1; SELECT 2");
  assert.equal(several.status, 400);
  assert.equal((await send("/", "SELEC 1")).status, 400);
});

test("external data in parts beside the query is refused with what to do instead", async () => {
  const form = new FormData();
  form.append("query", "SELECT 1");
  const refused = await fetch(address(), { method: "POST", body: form });
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /multipart.*use a temporary table/);
});

test("a session keeps temporary tables, and a setting of one request ends with it", async () => {
  const session = "/?session_id=s1";
  await send(session, "CREATE TEMPORARY TABLE mine (a Int64)");
  await send(`${session}&insert_deduplication_token=t`, "INSERT INTO mine VALUES (1)");
  assert.equal(await (await send(session, "SELECT count() FROM mine")).text(), "1\n");
  const token = "SELECT getSetting('insert_deduplication_token') = ''";
  assert.equal(await (await send(session, token)).text(), "1\n");
  assert.equal((await send("/", "SELECT count() FROM mine")).status, 404);
});

test("a web page's request is refused", async () => {
  assert.equal((await send("/", "SELECT 1", { origin: "http://evil.example" })).status, 403);
  const port = Number(new URL(address()).port);
  const status = await new Promise<number>((resolve, reject) => {
    const rebound = { port, path: "/?query=SELECT+1", headers: { host: "evil.example" } };
    request({ host: "127.0.0.1", ...rebound }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });
  assert.equal(status, 403);
});
