import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { scanStatement } from "./statement.ts";

test("a statement keeps its text, and its semicolon and comments around it go", () => {
  const scanned = scanStatement("-- who\nSELECT ';', `a;b` /* ; */ FROM t FORMAT CSV ; -- end");
  assert.equal(scanned.sql, "SELECT ';', `a;b` /* ; */ FROM t FORMAT CSV");
  assert.equal(scanned.verb, "SELECT");
  assert.equal(scanned.format, "CSV");
});

test("a second statement is refused however it is hidden", () => {
  for (const text of [
    "SELECT 1; SELECT 2",
    "SELECT 'it''s'; DROP TABLE t",
    "SELECT '\\''; DROP TABLE t",
    "SELECT $a$ ' $a$; DROP TABLE t",
    "SELECT 1;;/**/DROP TABLE t",
    "INSERT INTO t VALUES (1); DROP TABLE t",
    "SELECT 1 /* /* */ ' */; DROP TABLE t -- '",
    "SELECT 1 // '\n; DROP TABLE t -- '",
    "SELECT ‘ ' ’; DROP TABLE t -- '",
    "SELECT 1 AS “ ' ”; DROP TABLE t -- '",
    "SELECT 1 AS a$$; DROP TABLE t; SELECT 1 AS a$$",
    "SELECT $$$a$ ' $a$; DROP TABLE t -- '",
  ]) {
    assert.throws(() => scanStatement(text), { code: "OFFLINE_SEVERAL_STATEMENTS" }, text);
  }
});

test("data behind INSERT FORMAT is refused, for chDB would run what follows a blank line", () => {
  for (const data of ['\n1,"x\n\nDROP TABLE victim;--"', ' {"a":1}', "\n\n"]) {
    const scan = () => scanStatement(`INSERT INTO t FORMAT CSV${data}`);
    if (data.trim() === "") assert.equal(scan().body?.format, "CSV");
    else assert.throws(scan, { code: "OFFLINE_INLINE_DATA" });
  }
});

test("an INSERT that waits for a body falls into table, settings and format", () => {
  assert.deepEqual(
    scanStatement("INSERT INTO db.t (a, b) SETTINGS async_insert=0, x='y' FORMAT RowBinary").body,
    { into: "INSERT INTO db.t (a, b)", settings: "async_insert=0, x='y'", format: "RowBinary" },
  );
  assert.equal(scanStatement("INSERT INTO t VALUES").body?.format, "Values");
  assert.equal(scanStatement("INSERT INTO t VALUES (1)").body, null);
  assert.equal(scanStatement("INSERT INTO t SELECT 1").body, null);
});

test("a text quoted as a literal never ends the statement", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const literal = `'${text.replace(/[\\']/g, "\\$&")}'`;
      assert.equal(scanStatement(`SELECT ${literal}`).sql, `SELECT ${literal}`);
    }),
  );
});
