import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadIds, readSamples, stamped } from "./samples.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-samples-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("a file has a record a line; what is none is told with its line", () => {
  const file = join(folder, "records.ndjson");
  const read = (text: string) => {
    writeFileSync(file, text);
    const problems: string[] = [];
    return { samples: readSamples(file, problems), problems };
  };
  assert.deepEqual(read('{"a":1}\n\n{"a":2}\n'), { samples: [{ a: 1 }, { a: 2 }], problems: [] });
  for (const wrong of ["{", "[1]", "null", "7"]) {
    const { problems } = read(`{"a":1}\n${wrong}`);
    assert.deepEqual(problems, [`--records: line 2 of ${file} is no JSON object`]);
  }
  assert.deepEqual(read("\n").problems, [`--records: ${file} has no record`]);
  const missing: string[] = [];
  readSamples(join(folder, "none"), missing);
  assert.match(missing[0] ?? "", /--records: ENOENT/);
});

test("a record has the time of its source and its own id, within records too", () => {
  const sample = { id: "a", at: 5, card: "4711", of: { id: "b", n: 1 } };
  assert.deepEqual(stamped(sample, { timeField: "at" }, { field: "id", value: "l-1" }, 77), {
    ...{ id: "l-1", at: 77, card: "4711", of: { id: "b", n: 1 } },
  });
  const inner = stamped(sample, { timeField: "of.at" }, { field: "of.id", value: 3 }, 77);
  assert.deepEqual(inner, { ...sample, of: { id: 3, n: 1, at: 77 } });
  const own = { timeField: "recordTime", recordTime: true } as const;
  assert.deepEqual(stamped(sample, own, null, 77), sample);
});

test("ids are of one load alone, and exact as numbers", () => {
  const beganAt = Date.UTC(2100, 0, 1);
  const numbers = loadIds("long", beganAt, 1_000);
  assert.ok(Number.isSafeInteger(numbers.of(999)));
  assert.notEqual(numbers.of(1), numbers.of(2));
  const first = numbers.of(0);
  assert.equal(numbers.test("id"), `id >= ${first} AND id < ${Number(first) + 1_000}`);
  const texts = loadIds("string", beganAt, 1_000);
  assert.equal(texts.test("id"), `startsWith(id, '${String(texts.of(0)).slice(0, -1)}')`);
});
