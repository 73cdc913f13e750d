import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ByteWriter } from "../schemas/bytes.ts";
import type { Scalar } from "../schemas/expression.ts";
import { featureValues } from "../schemas/feature-values.ts";
import {
  type FeatureOutput,
  type FeatureViewSpec,
  isValueOutput,
  valueLayout,
} from "../schemas/feature-view.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { RowCodec } from "../schemas/row-codec.ts";
import { pythonEnvironment, requirement } from "../testing/requirements-fixture.ts";
import { decodeOnlineRow, encodeOnlineRow, topicFence } from "./online-row.ts";

/** A row of `docs/online-rows.md`: the columns by name, type and value, and the bytes. */
interface Vector {
  readonly title: string;
  readonly columns: readonly (readonly [string, FeatureOutput, Scalar])[];
  readonly bytes: string;
}

const document = readFileSync(join(packageRoot(), "docs/online-rows.md"), "utf8");

function vectors(): Vector[] {
  return document
    .split(/^### /m)
    .slice(1)
    .map((section) => {
      const columns = [...section.matchAll(/^\| `(\w+)` \| (\w+) \| (.*) \|$/gm)].map(
        ([, name = "", type, value = ""]) =>
          [name, type as FeatureOutput, valueIn(type as FeatureOutput, value)] as const,
      );
      const [, block = ""] = /```text\n([\s\S]*?)```/.exec(section) ?? [];
      const bytes = block.replace(/#.*$/gm, "").replace(/\s/g, "");
      return { title: section.split("\n")[0] ?? "", columns, bytes };
    });
}

function valueIn(type: FeatureOutput, text: string): Scalar {
  if (text === "null") return null;
  if (type === "text") return JSON.parse(text.replace(/`/g, "")) as string;
  if (type === "boolean") return text === "true";
  return type === "integer" || type === "timestamp" ? BigInt(text) : Number(text);
}

function viewOf({ columns }: Vector): FeatureViewSpec {
  const aggregates = columns.map(([name, output]) => ({ name, kind: "last", output }));
  const windows = [{ label: "1h", lengthMs: 3_600_000 }];
  return { aggregates, windows } as unknown as FeatureViewSpec;
}

const header = {
  served: 0,
  asOf: Date.UTC(2026, 0, 1, 12),
  seq: 3,
  validUntil: Date.UTC(2026, 0, 1, 12, 30),
};
const topic = topicFence("3fJ0pVb4T9K0m3cXQ6o1Zg");

for (const vector of vectors()) {
  test(`a row is written and read as the documents say: ${vector.title}`, () => {
    const view = viewOf(vector);
    const doubles = vector.columns.filter(([, type]) => !isValueOutput(type));
    const values = Float64Array.from(doubles, ([, , value]) => Number(value ?? Number.NaN));
    const others = vector.columns.filter(([, type]) => isValueOutput(type));
    const writer = new ByteWriter();
    new RowCodec(valueLayout(view)).writeValues(
      writer,
      others.map(([, , value]) => value),
    );
    const written = { ...(others.length > 0 && { others: writer.take() }) };
    const row = { ...header, values, ...written };
    const stored = encodeOnlineRow(topic, 42, row);
    assert.equal(stored.toString("hex"), vector.bytes);
    const read = decodeOnlineRow(stored, "a test");
    assert.deepEqual(read, row);
    assert.deepEqual(
      featureValues(view, read, header.asOf).map(String),
      vector.columns.map(([, , value]) => String(value)),
    );
  });
}

test("the documents have a row of numbers alone, and one of every type", () => {
  const types = vectors().map(({ columns }) => columns.map(([, type]) => type));
  assert.equal(types.length, 2);
  assert.ok(types[0]?.every((type) => !isValueOutput(type)));
  const every = ["number", "text", "boolean", "integer", "timestamp"];
  assert.deepEqual(new Set(types[1]), new Set(every));
});

/** Whole numbers as texts: a row holds larger ones than JSON. */
const reading = `
import json, sys
sys.path.insert(0, sys.argv[1])
from read import decode, redis_key
told = json.load(sys.stdin)
for each in told["rows"]:
    row = decode(bytes.fromhex(each["bytes"]), [tuple(column) for column in each["columns"]])
    for name, value in row["values"].items():
        row["values"][name] = str(value) if type(value) is int else value
    print(json.dumps(row))
print(json.dumps([redis_key("flights", "origin_delays@1", key) for key in told["keys"]]))
`;

test("the reader in Python reads what the documents say, under the keys that they name", {
  skip: requirement("python-clients"),
}, () => {
  const all = vectors();
  const rows = all.map(({ bytes, columns }) => ({
    bytes,
    columns: columns.map(([name, type]) => [name, type]),
  }));
  const told = spawnSync(
    join(pythonEnvironment, "bin", "python"),
    ["-B", "-c", reading, join(packageRoot(), "examples", "online-rows")],
    { input: JSON.stringify({ rows, keys: ["DCA"] }), encoding: "utf8" },
  );
  assert.equal(told.status, 0, told.stderr);
  const lines = told.stdout.trim().split("\n");
  const { served: _, asOf, seq, validUntil } = header;
  const expected = all.map(({ columns }) => {
    const values = columns.map(([name, , value]) => {
      return [name, typeof value === "bigint" ? String(value) : value];
    });
    const times = { as_of: asOf, valid_until: validUntil };
    return { offset: 42, served: "events", seq, ...times, values: Object.fromEntries(values) };
  });
  assert.deepEqual(
    lines.slice(0, -1).map((line) => JSON.parse(line)),
    expected,
  );
  const keys = JSON.parse(lines.at(-1) ?? "") as string[];
  for (const key of keys) assert.ok(document.includes(`\`${key}\``), key);
});
