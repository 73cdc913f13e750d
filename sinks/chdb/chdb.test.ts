import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import fc from "fast-check";
import { conformanceBlock, conformanceTable, offlineConformance } from "../offline-conformance.ts";
import { scanStatement } from "../statement.ts";
import { type ChdbStore, openChdb } from "./chdb.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-chdb-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function open(name: string): Promise<ChdbStore> {
  return openChdb({ directory: join(folder, name), spoolDirectory: join(folder, `${name}-spool`) });
}

offlineConformance("chdb", () => open("conformance"));

test("a killed chDB rejects what was under way, and the next request starts another", async () => {
  const store = await open("killed");
  await store.migrate([conformanceTable], []);
  const pid = store.pid;
  for (let round = 0; round < 3; round++) {
    const first = round * 1000;
    const block = conformanceBlock(first, first + 999);
    const outcome = store.insert(block).then(
      () => "stored",
      (error: { readonly code: string }) => error.code,
    );
    process.kill(store.pid, "SIGKILL");
    assert.ok(["stored", "OFFLINE_UNAVAILABLE"].includes(await outcome));
    await store.insert(block);
  }
  const [row] = await store.query(
    "SELECT count() AS n, uniqExact(offset) AS u FROM millrace.raw_things",
  );
  assert.deepEqual(row, { n: 3000, u: 3000 });
  assert.notEqual(store.pid, pid);
  assert.deepEqual(await readdir(join(folder, "killed-spool")), []);
  await store.close();
});

test("whatever the umask, nobody else reads or writes a file that chDB makes", async () => {
  const before = process.umask(0);
  try {
    const store = await open("masked");
    await store.migrate([conformanceTable], []);
    await store.insert(conformanceBlock(0, 99));
    await store.close();
  } finally {
    process.umask(before);
  }
  const directory = join(folder, "masked");
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  const readable = files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name))
    .filter((path) => (statSync(path).mode & 0o077) !== 0);
  assert.ok(files.length > 5);
  assert.deepEqual(readable, []);
});

test("chDB ends when its parent is killed, and the next start waits for its lock", async () => {
  const script = `
    import { openChdb } from ${JSON.stringify(new URL("./chdb.js", import.meta.url).href)};
    const store = await openChdb({
      directory: ${JSON.stringify(join(folder, "orphan"))},
      spoolDirectory: ${JSON.stringify(join(folder, "orphan-spool"))},
    });
    console.log(store.pid);
    await store.query("SELECT sleepEachRow(1) FROM numbers(60) SETTINGS max_block_size = 1");
  `;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: parent.stdout });
  const [line] = await Promise.race([once(lines, "line"), once(lines, "close")]);
  assert.match(String(line), /^\d+$/);
  parent.kill("SIGKILL");
  const store = await open("orphan");
  // One process a directory: that it opens shows that the other has ended.
  assert.deepEqual(await store.query("SELECT 1 AS one"), [{ one: 1 }]);
  await store.close();
});

test("a long query leaves room for short ones", async () => {
  const store = await open("concurrent");
  const long = store.query("SELECT sleepEachRow(0.2) FROM numbers(3) SETTINGS max_block_size = 1");
  const finished: string[] = [];
  const short = store.query("SELECT 1 AS one").then(() => finished.push("short"));
  await Promise.all([long.then(() => finished.push("long")), short]);
  assert.deepEqual(finished, ["short", "long"]);
  await store.close();
});

test("closing does not wait for a query that takes long", async () => {
  const store = await open("closing");
  const slow = "SELECT sleepEachRow(1) FROM numbers(40) SETTINGS max_block_size = 1";
  const asked = assert.rejects(store.query(slow), { code: "OFFLINE_UNAVAILABLE" });
  await store.query("SELECT 1");
  const started = performance.now();
  await store.close();
  assert.ok(performance.now() - started < 20_000);
  await asked;
});

test("queries that cannot begin give their places back", { timeout: 60_000 }, async () => {
  const store = await open("dropped");
  await store.queryText("DROP DATABASE millrace", "TSV");
  for (let query = 0; query < 10; query++) {
    await assert.rejects(store.query("SELECT 1"), { code: "OFFLINE_QUERY_FAILED", message: /81/ });
  }
  await store.close();
});

test("the scanner sees every second statement that the engine sees (20,000 texts)", async () => {
  const store = await open("lexer");
  const parts =
    `' " \` \\ $ $$ $a$ / // /* */ * - -- -> # #! ; ; x a1 1 . \n ‘ ’ “ ” é \u00a0`.split(" ");
  const texts = fc.sample(
    fc.array(fc.constantFrom(" ", ...parts), { maxLength: 16 }).map((all) => all.join("")),
    { numRuns: 20_000, seed: 7 },
  );
  const list = texts.map((text) => `'${text.replace(/[\\']/g, "\\$&")}'`).join(",");
  const normal = await store.query<{ text: string }>(
    `SELECT normalizeQuery(arrayJoin([${list}])) AS text SETTINGS max_query_size = 10000000`,
  );
  let several = 0;
  for (const [index, { text }] of normal.entries()) {
    // Literals stand as question marks there; what follows a token that is none is left out.
    const bare = text.replace(/(["`])(?:\\[\s\S]|\1\1|(?!\1)[^\\])*\1|“[^”]*”/g, "?");
    if (!/;[^;]*[^;\s]/.test(bare)) continue;
    several += 1;
    const given = texts[index] ?? "";
    const refused = { code: "OFFLINE_SEVERAL_STATEMENTS" };
    assert.throws(() => scanStatement(given), refused, `${JSON.stringify(given)} is ${text}`);
  }
  assert.ok(several > 500, `${several}`);
  await store.close();
});
