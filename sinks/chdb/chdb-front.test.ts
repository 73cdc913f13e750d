import assert from "node:assert/strict";
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
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
import { frontPassword } from "./front-password.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-front-"));
const opened: { store?: ChdbStore } = {};
before(async () => {
  opened.store = await openChdb({
    directory: join(folder, "data"),
    spoolDirectory: join(folder, "spool"),
    httpPort: 0,
    maxBodyBytes: 4 * 1024 * 1024,
  });
});
after(async () => {
  await opened.store?.close();
  rmSync(folder, { recursive: true, force: true });
});

function address(): string {
  return opened.store?.httpAddress ?? "";
}

function password(): string {
  return readFileSync(opened.store?.passwordFile ?? "", "utf8").trim();
}

function send(path: string, body: string | Buffer | null = null, headers = {}): Promise<Response> {
  const method = body === null ? "GET" : "POST";
  const key = { "x-clickhouse-key": password() };
  return fetch(`${address()}${path}`, { method, body, headers: { ...key, ...headers } });
}

test("@clickhouse/client queries, inserts, streams and sees errors over the front", async () => {
  const client = createClient({
    url: address(),
    password: password(),
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
  while ((await readdir(join(folder, "spool"))).some((name) => name !== "password")) await wait(5);
});

test("statements that sleep hold up neither a short one nor an insert", async () => {
  await send("/", "CREATE TABLE awake (a Int64) ENGINE = MergeTree ORDER BY a");
  const sleeping = Array.from({ length: 12 }, () => send("/", "SELECT sleep(1.5)"));
  let ended = 0;
  for (const each of sleeping) void each.then(() => ended++);
  await wait(200);
  assert.equal(await (await send("/?query=SELECT+1")).text(), "1\n");
  assert.equal((await send("/", "INSERT INTO awake FORMAT CSV\n1\n")).status, 200);
  assert.equal(ended, 0, "all of them sleep, or wait for their turn");
  for (const each of await Promise.all(sleeping)) assert.equal(await each.text(), "0\n");
});

test("bodies packed by lz4 and zstd, statement included, are unpacked by the engine", async () => {
  await send("/", "CREATE TABLE packed (a Int64) ENGINE = MergeTree ORDER BY a");
  for (const encoding of ["lz4", "zstd"]) {
    const file = join(folder, `body.${encoding}`);
    const target = `file('${file}', 'RawBLOB', 'd String', '${encoding}')`;
    const body = "'INSERT INTO packed (a) FORMAT TSV\\n7\\n8\\n'";
    await opened.store?.queryText(`INSERT INTO FUNCTION ${target} SELECT ${body}`, "TSV");
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
  const refused = await fetch(address(), {
    method: "POST",
    body: form,
    headers: { "x-clickhouse-key": password() },
  });
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

test("without the password of its owner-only file nothing is answered but a ping", async () => {
  assert.equal(statSync(opened.store?.passwordFile ?? "").mode & 0o777, 0o600);
  for (const headers of [{}, { "x-clickhouse-key": "guessed" }, { authorization: "Basic eDp5" }]) {
    const refused = await fetch(`${address()}/?query=SELECT+1`, { headers });
    assert.equal(refused.status, 403);
    assert.match(await refused.text(), /^Code: 516/);
  }
  const basic = Buffer.from(`default:${password()}`).toString("base64");
  const headers = { authorization: `Basic ${basic}` };
  assert.equal(await (await fetch(`${address()}/?query=SELECT+1`, { headers })).text(), "1\n");
  const inUrl = `${address()}/?query=SELECT+1&password=${password()}`;
  assert.equal(await (await fetch(inUrl)).text(), "1\n");
});

test("a password file that is a link, or that others can read, is not taken", async () => {
  const [real, link] = [join(folder, "real"), join(folder, "link")];
  assert.equal(await frontPassword(real), await frontPassword(real));
  symlinkSync(real, link);
  await assert.rejects(frontPassword(link), { code: "PASSWORD_FILE_UNSAFE" });
  chmodSync(real, 0o644);
  await assert.rejects(frontPassword(real), { code: "PASSWORD_FILE_UNSAFE" });
});

test("a GET reads and never writes", async () => {
  await send("/", "CREATE TABLE kept (a Int64) ENGINE = MergeTree ORDER BY a");
  for (const sql of [
    "INSERT INTO kept VALUES (1)",
    "DROP TABLE kept",
    "TRUNCATE TABLE kept",
    "CREATE TABLE more (a Int64) ENGINE = Memory",
    "SET max_threads = 1",
  ]) {
    const answer = await send(`/?query=${encodeURIComponent(sql)}`);
    assert.equal(answer.status, 400, `${sql}: ${await answer.text()}`);
  }
  assert.equal(await (await send("/?query=SELECT+count()+FROM+kept")).text(), "0\n");
});

test("files, addresses, programs and the state of the engine are out of reach", async () => {
  const secret = join(folder, "secret");
  writeFileSync(secret, "secret\n");
  for (const sql of [
    `SELECT * FROM file('${secret}', 'LineAsString')`,
    `SELECT * FROM "file"('${secret}', 'LineAsString')`,
    `SELECT * FROM /**/ file /**/ ('${secret}', 'LineAsString')`,
    `SELECT * FROM "fi\\x6ce"('${secret}', 'LineAsString')`,
    `SELECT file('${secret}')`,
    `SELECT * FROM default."${secret}"`,
    `SELECT * FROM \`default\`."${secret}"`,
    `INSERT INTO FUNCTION file('${secret}', 'CSV', 'a String') VALUES ('x')`,
    `SELECT 1 INTO OUTFILE '${secret}'`,
    `INSERT INTO kept FROM INFILE '${secret}' FORMAT CSV`,
    `CREATE TABLE f (a String) ENGINE = File(CSV, '${secret}')`,
    `CREATE TABLE f (a String) ENGINE File(CSV, '${secret}')`,
    `CREATE DATABASE d ENGINE = Filesystem('${folder}')`,
    `CREATE TABLE f AS url('http://127.0.0.1:1/', CSV, 'a String')`,
    `CREATE TABLE f (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '${folder}/d/')`,
    "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')",
    "SELECT * FROM executable('x', TSV, 'a String')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(FILE(path '/x' format 'TSV')) LAYOUT(FLAT())",
    "USE default",
    "SYSTEM SHUTDOWN",
    `BACKUP TABLE kept TO File('${folder}/b')`,
    "KILL QUERY WHERE 1",
  ]) {
    const answer = await send("/", sql);
    const text = await answer.text();
    assert.equal(answer.status, 400, `${sql}: ${text}`);
    assert.match(text, /does not take/, sql);
  }
  const byName = `/?param_db=default&query=${encodeURIComponent(`SELECT * FROM {db:Identifier}."${secret}"`)}`;
  assert.equal((await send(byName)).status, 400);
  const byDatabase = `/?database=default&query=${encodeURIComponent(`SELECT * FROM "${secret}"`)}`;
  assert.equal((await send(byDatabase)).status, 404);
  assert.equal(readFileSync(secret, "utf8"), "secret\n");
});

test("a body that unpacks to more than the limit is refused early", async () => {
  const zeros = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const bomb = await send("/?query=INSERT+INTO+kept+FORMAT+CSV", zeros, {
    "content-encoding": "gzip",
  });
  assert.equal(bomb.status, 400);
  assert.match(await bomb.text(), /4194304 bytes/);
  for (const encoding of ["zstd", "lz4"]) {
    const file = join(folder, `bomb.${encoding}`);
    const target = `file('${file}', 'RawBLOB', 'd String', '${encoding}')`;
    await opened.store?.queryText(
      `INSERT INTO FUNCTION ${target} SELECT arrayStringConcat(arrayMap(i -> repeat('0', 1000000), range(300)))`,
      "TSV",
    );
    const sent = await send("/", await readFile(file), { "content-encoding": encoding });
    assert.ok([400, 507].includes(sent.status), `${encoding}: ${sent.status} ${await sent.text()}`);
  }
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
