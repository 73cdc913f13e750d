import assert from "node:assert/strict";
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
