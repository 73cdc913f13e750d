import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ByteWriter } from "../schemas/bytes.ts";
import { quoteText } from "../schemas/sql-text.ts";
import { int64, numbersByText, string } from "./row-binary.ts";
import type { OfflineBlock, OfflineStore, OfflineTable } from "./store.ts";

/** What a driver cannot do, each with the reason for which a case is skipped. */
export interface OfflineSkips {
  /** It takes no SQL. */
  readonly sql?: string;
}

export const conformanceTable: OfflineTable = {
  name: "raw_things",
  columns: [
    { name: "name", type: "LowCardinality(String)" },
    { name: "at", type: "DateTime64(3, 'UTC')", codec: "DoubleDelta, LZ4" },
    { name: "value", type: "Nullable(Float64)" },
    { name: "count", type: "UInt32" },
    { name: "topic", type: "LowCardinality(String)" },
    { name: "partition", type: "UInt16" },
    { name: "offset", type: "Int64" },
    { name: "topic_id", type: "LowCardinality(String)" },
  ],
  orderBy: ["name", "at"],
};

/** Rows `[first, last]` as a block; the value of every third is null. */
export function conformanceBlock(
  first: number,
  last: number,
  token?: string,
  topicId = "id",
): OfflineBlock {
  const writer = new ByteWriter();
  for (let offset = first; offset <= last; offset++) {
    string(writer, `n\n\n;DROP TABLE x;${offset % 7}`);
    int64(writer, 978_307_200_000 + offset);
    if (offset % 3 === 0) writer.u8(1);
    else {
      writer.u8(0);
      writer.f64(offset / 4);
    }
    writer.u32(offset);
    string(writer, "things");
    writer.u16(offset % 2);
    int64(writer, offset);
    string(writer, topicId);
  }
  return {
    table: conformanceTable,
    rowBinary: writer.take(),
    rows: last - first + 1,
    token: token ?? `raw_things:id:0:${first}-${last}`,
  };
}

/** What every driver of the offline store keeps; `open` gives an empty store. */
export function offlineConformance(
  name: string,
  open: () => Promise<OfflineStore>,
  skips: OfflineSkips = {},
): void {
  const opened: { store?: OfflineStore } = {};
  const store = (): OfflineStore => {
    assert.ok(opened.store);
    return opened.store;
  };
  before(async () => {
    opened.store = await open();
    await opened.store.migrate([conformanceTable], []);
  });
  after(() => opened.store?.close());
  const sql: Skip = { skip: skips.sql ?? false };
  insertTests(name, store, sql);
  storedTests(name, store);
  topologyTests(name, store, sql);
  migrationTests(name, store, sql);
  queryTests(name, store, sql);
}

type Skip = { readonly skip: string | boolean };

function insertTests(name: string, store: () => OfflineStore, sql: Skip): void {
  test(`${name}: whole numbers of a query are exact, as bigints beyond 2^53`, sql, async () => {
    const [row] = await store().query(
      "SELECT toInt64(9007199254740993) AS a, toUInt64(18446744073709551615) AS b, " +
        "toInt128('-170141183460469231731687303715884105728') AS c, toInt64(-7) AS d, " +
        "[toInt64(9007199254740993), 1] AS e, '9007199254740993' AS f, toFloat64(0.5) AS g, " +
        "CAST(NULL, 'Nullable(Int128)') AS h, toFloat64(9223372036854775807) AS i, " +
        "[toFloat64(1e18), 0.5] AS j",
    );
    const large = 9_007_199_254_740_993n;
    assert.deepEqual(
      { ...(row as object) },
      {
        ...{ a: large, b: 2n ** 64n - 1n, c: -(2n ** 127n), d: -7, e: [large, 1] },
        ...{ f: "9007199254740993", g: 0.5, h: null, i: 2 ** 63, j: [1e18, 0.5] },
      },
    );
  });

  test(`${name}: numbers by text come back in their order`, sql, async () => {
    const table: OfflineTable = {
      name: "raw_numbers",
      columns: [
        { name: "numbers", type: "Map(LowCardinality(String), Float64)" },
        ...conformanceTable.columns.slice(-4),
      ],
      orderBy: ["offset"],
    };
    // The second time it is as it should be.
    for (const _ of [1, 2]) await store().migrate([table], []);
    const told = [
      [
        ["z", -0.5],
        ["a", 0.1],
        ["é", 5e-324],
      ],
      [],
    ] as const;
    const writer = new ByteWriter();
    for (const [offset, entries] of told.entries()) {
      numbersByText(writer, entries);
      string(writer, "numbers");
      writer.u16(0);
      int64(writer, offset);
      string(writer, "id");
    }
    await store().insert({ table, rowBinary: writer.take(), rows: 2, token: "raw_numbers:0-1" });
    const rows = await store().query<Record<string, unknown>>(
      `SELECT mapKeys(numbers) AS names, mapValues(numbers) AS values, numbers['a'] AS a
      FROM millrace.raw_numbers ORDER BY offset`,
    );
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [
        { names: ["z", "a", "é"], values: [-0.5, 0.1, 5e-324], a: 0.1 },
        { names: [], values: [], a: 0 },
      ],
    );
  });

  test(`${name}: rows come back as they were written, and integers as numbers`, sql, async () => {
    await store().insert(conformanceBlock(0, 9));
    const rows = await store().query<Record<string, unknown>>(
      "SELECT name, toUnixTimestamp64Milli(at) AS ms, value, count, offset " +
        "FROM millrace.raw_things WHERE offset < 3 ORDER BY offset",
    );
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [0, 1, 2].map((offset) => ({
        name: `n\n\n;DROP TABLE x;${offset % 7}`,
        ms: 978_307_200_000 + offset,
        value: offset % 3 === 0 ? null : offset / 4,
        count: offset,
        offset,
      })),
    );
  });

  test(`${name}: the same token is inserted once, another token again`, sql, async () => {
    const count = async (): Promise<number> => {
      const [row] = await store().query<{ n: number }>(
        "SELECT count() AS n FROM millrace.raw_things WHERE offset BETWEEN 1000 AND 1999",
      );
      return row?.n ?? -1;
    };
    const block = conformanceBlock(1000, 1499);
    await store().insert(block);
    await store().insert(block);
    assert.equal(await count(), 500);
    await store().insert(conformanceBlock(1500, 1999));
    await store().insert(block);
    assert.equal(await count(), 1000);
    await store().insert(conformanceBlock(1000, 1499, "raw_things:other:0:1000-1499"));
    assert.equal(await count(), 1500);
  });
}

function storedTests(name: string, store: () => OfflineStore): void {
  test(`${name}: its rows say how far a topic is stored, and what is of another`, async () => {
    const token = (id: string) => `raw_things:${id}:stored`;
    await store().insert(conformanceBlock(5000, 5008, token("a"), "topic-a"));
    await store().insert(conformanceBlock(5003, 5004, token("b"), "topic-b"));
    const { own, strange } = await store().stored(conformanceTable, "topic-a");
    assert.deepEqual(
      [own.get(0), own.get(1)],
      [
        { next: 5009, rows: 5 },
        { next: 5008, rows: 4 },
      ],
    );
    assert.ok((strange.get(0) ?? 0) >= 1 && (strange.get(1) ?? 0) >= 1);
    const other = await store().stored(conformanceTable, "topic-b");
    assert.deepEqual([other.own.get(1)?.next, other.own.get(0)?.next], [5004, 5005]);
  });
}

/** Whether they are told apart by their names alone is asked of those that take SQL. */
function topologyTests(name: string, store: () => OfflineStore, sql: Skip): void {
  test(`${name}: tables of two topologies have the same names and other rows`, sql, async () => {
    const [a, b] = [store().of("one"), store().of("two-2")];
    const view = { name: "things", select: "SELECT name FROM raw_things" };
    for (const each of [a, b]) await each.migrate([conformanceTable], [view]);
    await a.insert(conformanceBlock(0, 9));
    await b.insert(conformanceBlock(0, 1));
    const counts = async (each: OfflineStore) => [
      await each.queryText("SELECT count() FROM raw_things", "TSV"),
      await each.queryText("SELECT count() FROM things", "TSV", { readOnly: true }),
      (await each.stored(conformanceTable, "id")).own.get(0)?.rows,
    ];
    assert.deepEqual(await counts(a), ["10\n", "10\n", 5]);
    assert.deepEqual(await counts(store().of("two-2")), ["2\n", "2\n", 1]);
    let bytes = 0;
    await b.queryStream("SELECT count FROM raw_things", (chunk) => {
      bytes += chunk.length;
    });
    assert.equal(bytes, 8);
    await a.close();
    assert.equal((await b.query("SELECT count FROM raw_things")).length, 2);
  });
}

function migrationTests(name: string, store: () => OfflineStore, sql: Skip): void {
  test(
    `${name}: a migration run again changes nothing, and a new column is added`,
    sql,
    async () => {
      const view = { name: "things", select: "SELECT name, at, value FROM raw_things" };
      await store().migrate([conformanceTable], [view]);
      const versions = "SELECT max(version) AS v FROM millrace.schema_versions";
      const [first] = await store().query<{ v: number }>(versions);
      await store().migrate([conformanceTable], [view]);
      assert.deepEqual(await store().query(versions), [first]);
      const inView = "SELECT count() AS n FROM things";
      assert.deepEqual(
        await store().query(inView),
        await store().query("SELECT count() AS n FROM millrace.raw_things"),
      );
      const wider: OfflineTable = {
        ...conformanceTable,
        columns: [...conformanceTable.columns, { name: "note", type: "Nullable(String)" }],
      };
      await store().migrate([wider], [view]);
      const [row] = await store().query<{ note: unknown }>(
        "SELECT note FROM millrace.raw_things LIMIT 1",
      );
      assert.equal(row?.note ?? null, null);
    },
  );

  test(`${name}: each change has a version, also those before one that fails`, sql, async () => {
    const noted = async () => {
      const rows = "SELECT version, name, statement FROM millrace.schema_versions ORDER BY version";
      return await store().query<{ version: number; name: string; statement: string }>(rows);
    };
    const before = (await noted()).length;
    const table = (at: number): OfflineTable => ({ ...conformanceTable, name: `raw_noted_${at}` });
    // More than goes into one insert of them.
    const text = "'".repeat(30_000);
    const views = [1, 2, 3].map((at) => ({
      name: `noted_${at}`,
      select: `SELECT ${quoteText(text)} AS text`,
    }));
    const wrong = { name: "wrong", select: "SELECT nothing FROM raw_noted_1" };
    await assert.rejects(store().migrate([table(1), table(2)], [...views, wrong]), {
      code: "OFFLINE_QUERY_FAILED",
    });
    const all = await noted();
    assert.deepEqual(
      all.slice(before).map((row) => row.name),
      ["raw_noted_1", "raw_noted_2", "noted_1", "noted_2", "noted_3"],
    );
    assert.deepEqual(
      all.map((row) => row.version),
      all.map((_, index) => index + 1),
    );
    assert.match(all.at(-1)?.statement ?? "", /^CREATE OR REPLACE VIEW .*noted_3/);
    assert.ok(all.at(-1)?.statement.includes(quoteText(text)));
    await store().migrate([table(1), table(2)], views);
    assert.deepEqual(await noted(), all);
  });

  test(`${name}: a column of another type is refused, not rewritten`, sql, async () => {
    const columns = conformanceTable.columns.map((column) =>
      column.name === "count" ? { ...column, type: "Int64" as const } : column,
    );
    const migration = store().migrate([{ ...conformanceTable, columns }], []);
    await assert.rejects(migration, { code: "OFFLINE_TABLE_MISMATCH" });
  });
}

function queryTests(name: string, store: () => OfflineStore, sql: Skip): void {
  test(`${name}: several statements in one request are refused`, sql, async () => {
    const text = "SELECT 1; DROP TABLE millrace.raw_things";
    await assert.rejects(store().query(text), { code: "OFFLINE_SEVERAL_STATEMENTS" });
    await assert.rejects(store().queryText(text, "CSV"), { code: "OFFLINE_SEVERAL_STATEMENTS" });
  });

  test(`${name}: a format is a name, and adds nothing to the statement`, sql, async () => {
    for (const format of ["TSV; DROP TABLE t", "TSV SETTINGS readonly = 0", "", "'TSV'", "TSV\n"]) {
      await assert.rejects(store().queryText("SELECT 1", format), { code: "OFFLINE_FORMAT" });
    }
  });

  test(`${name}: read-only, queries answer and whatever writes is refused`, sql, async () => {
    const read = (text: string) => store().queryText(text, "TSV", { readOnly: true });
    assert.equal(await read("SELECT 1 SETTINGS max_threads = 1"), "1\n");
    const id = "SELECT toInt64(9007199254740993) AS id";
    const quoted = "SETTINGS output_format_json_quote_64bit_integers = 1";
    const json = (text: string) => store().queryText(text, "JSONEachRow", { readOnly: true });
    assert.equal(await json(id), '{"id":9007199254740993}\n');
    assert.equal(await json(`${id} ${quoted}`), '{"id":"9007199254740993"}\n');
    assert.equal(await read("WITH 2 AS two SELECT 'INSERT', two -- INSERT"), "INSERT\t2\n");
    assert.match(await read("SHOW TABLES FROM millrace"), /raw_things/);
    const count = () => store().queryText("SELECT count() FROM millrace.raw_things", "TSV");
    const before = await count();
    for (const text of [
      "TRUNCATE TABLE millrace.raw_things",
      "/* SELECT */ ALTER TABLE millrace.raw_things DELETE WHERE 1",
      "INSERT INTO millrace.raw_things SELECT * FROM millrace.raw_things",
      "WITH 1 AS one INSERT INTO millrace.raw_things SELECT * FROM millrace.raw_things",
      "SELECT 1 INTO OUTFILE '/tmp/millrace-never-written'",
      "INSERT INTO FUNCTION file('never-written', 'TSV', 'a Int8') SELECT 1",
      "SET readonly = 0",
      "KILL QUERY WHERE 1",
      "",
    ]) {
      await assert.rejects(read(text), { code: "OFFLINE_READ_ONLY" }, text);
    }
    // What the words let through, the engine's own mode refuses.
    await assert.rejects(read("SELECT 1 SETTINGS readonly = 0"), { code: "OFFLINE_QUERY_FAILED" });
    assert.equal(await count(), before);
    assert.notEqual(before, "0\n");
  });

  test(`${name}: a wrong statement rejects with the engine's code and text`, sql, async () => {
    await assert.rejects(store().query("SELECT * FROM millrace.nowhere"), {
      code: "OFFLINE_QUERY_FAILED",
      message: /60.*nowhere/s,
    });
  });

  test(`${name}: text comes in any format`, sql, async () => {
    assert.equal(
      await store().queryText("SELECT 1 AS a, 'x' AS b", "CSVWithNames"),
      '"a","b"\n1,"x"\n',
    );
    assert.match(await store().queryText("SELECT 1 AS a", "PrettyCompact"), /a/);
  });

  test(`${name}: bytes that are no text come as they are`, sql, async () => {
    const bytes = await store().queryBytes("SELECT unhex('FF00FE0A')", "RawBLOB");
    assert.deepEqual([...bytes], [0xff, 0, 0xfe, 0x0a]);
  });

  test(`${name}: a format in the statement is that of a text, and of no rows`, sql, async () => {
    const statement = "SELECT 1 AS a FORMAT /* of its own */ JSONEachRow; -- end";
    assert.equal(await store().queryText(statement, "CSVWithNames"), '{"a":1}\n');
    assert.deepEqual(await store().query("SELECT 1 AS a FORMAT CSV"), [{ a: 1 }]);
    const chunks: Buffer[] = [];
    await store().queryStream("SELECT toUInt8(7) AS a FORMAT CSV", (chunk) => chunks.push(chunk));
    assert.deepEqual(Buffer.concat(chunks), Buffer.of(7));
  });

  test(`${name}: a stream gives every row as RowBinary`, sql, async () => {
    let bytes = 0;
    let sum = 0n;
    let rest = Buffer.alloc(0);
    await store().queryStream("SELECT number FROM numbers(1000000)", (chunk) => {
      bytes += chunk.length;
      const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const whole = all.length - (all.length % 8);
      for (let at = 0; at < whole; at += 8) sum += all.readBigUInt64LE(at);
      rest = Buffer.from(all.subarray(whole));
    });
    assert.equal(bytes, 8_000_000);
    assert.equal(sum, 499_999_500_000n);
  });
}
