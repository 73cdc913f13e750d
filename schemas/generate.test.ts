import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inlineReferences, type NamedAvroType } from "./avro-references.ts";
import { errorTable } from "./errors.ts";
import { contractFolders, generatedText, kindListOf } from "./generate.ts";
import { errorPage } from "./generate-error-page.ts";
import { kindLists, kindListText } from "./generate-kinds.ts";
import { generateTypes } from "./generate-types.ts";
import { watermark } from "./generated.ts";
import { packageRoot } from "./package-root.ts";

const generateUserTypes = (
  contracts: readonly NamedAvroType[],
  long: "number" | "number | bigint" = "number",
): string => generateTypes(contracts, { comment: ["Generated."], from: "millrace", long });

test("each generated.ts is what the Avro contracts beside it say", () => {
  assert.deepEqual(contractFolders(), ["schemas", "topologies/flights"]);
  for (const folder of contractFolders()) {
    assert.equal(
      readFileSync(join(packageRoot(), folder, "generated.ts"), "utf8"),
      generatedText(folder),
      "The Avro contracts have changed: run `npm run generate` and commit the result.",
    );
  }
});

test("each list of kinds has a line for each kind of step of which its room has a part", () => {
  for (const list of kindLists) {
    assert.equal(
      readFileSync(join(packageRoot(), list.path), "utf8"),
      kindListOf(list),
      "The kinds of steps, or their files, have changed: run `npm run generate` and commit it.",
    );
  }
  const [dsl] = kindLists;
  assert.ok(dsl !== undefined);
  const steps = 'export { one } from "./one.ts";\nexport { anotherOne } from "./another-one.ts";\n';
  const text = kindListText(dsl, steps, (path) => path !== "topologies/dsl/one/step.ts");
  assert.match(text, /\nexport \{ anotherOne \} from "\.\/another-one\/step\.ts";\n$/);
  assert.doesNotMatch(text, /\bone \}/);
});

test("docs/errors.md has every error code as the table has it", () => {
  assert.equal(
    readFileSync(join(packageRoot(), "docs", "errors.md"), "utf8"),
    errorPage(errorTable),
    "The table of errors has changed: run `npm run generate` and commit the result.",
  );
});

test("a generated schema is frozen, parts included", () => {
  assert.ok(Object.isFrozen(watermark) && Object.isFrozen(watermark.fields[0]));
});

test("each kind of Avro type has its TypeScript type", () => {
  const text = generateUserTypes([
    {
      type: "record",
      name: "Sample",
      fields: [
        { name: "count", type: "long", doc: "How many." },
        { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
        { name: "raw", type: ["null", "bytes"] },
        { name: "tags", type: { type: "array", items: ["null", "string"] } },
        { name: "shares", type: { type: "map", values: "double" } },
        { name: "hash", type: { type: "fixed", name: "Hash", size: 32 } },
        { name: "kind", type: { type: "enum", name: "Kind", symbols: ["a", "b"] } },
        { name: "again", type: "Kind" },
        {
          name: "inner",
          type: { type: "record", name: "Inner", fields: [{ name: "ok", type: "boolean" }] },
        },
      ],
    },
  ]);
  const lines = [
    "  /** How many. */\n  readonly count: number;",
    "readonly at: number;",
    "readonly raw: Buffer | null;",
    "readonly tags: readonly (string | null)[];",
    "readonly shares: Readonly<Record<string, number>>;",
    "readonly hash: Buffer;",
    'export type Kind = "a" | "b";',
    "readonly again: Kind;",
    "export interface Inner {\n  readonly ok: boolean;\n}",
    "readonly inner: Inner;",
    "export const sample: RecordSchema<Sample> = recordSchema<Sample>({",
  ];
  for (const line of lines) assert.ok(text.includes(line), `missing: ${line}\n${text}`);
});

test("a name may stand for one Avro type only", () => {
  const kind = (symbols: string[]) => ({ type: "enum", name: "Kind", symbols });
  assert.throws(
    () =>
      generateUserTypes([
        { type: "record", name: "A", fields: [{ name: "kind", type: kind(["a"]) }] },
        { type: "record", name: "B", fields: [{ name: "kind", type: kind(["b"]) }] },
      ]),
    /"Kind" stands for two/,
  );
  assert.throws(
    () =>
      generateUserTypes([{ type: "record", name: "A", fields: [{ name: "x", type: "Absent" }] }]),
    /"Absent" is neither/,
  );
});

test("a type of another contract is put where it is first referred to", () => {
  const card: NamedAvroType = {
    type: "record",
    name: "Card",
    namespace: "shop",
    fields: [{ name: "kind", type: "Kind" }],
  };
  const kind: NamedAvroType = { type: "enum", name: "shop.Kind", symbols: ["debit", "credit"] };
  const payment: NamedAvroType = {
    type: "record",
    name: "Payment",
    namespace: "bank",
    fields: [
      { name: "card", type: "shop.Card" },
      { name: "kinds", type: { type: "array", items: ["null", "shop.Kind"] } },
    ],
  };
  const whole = inlineReferences([payment, card, kind]);
  const wholeCard = { ...card, fields: [{ name: "kind", type: kind }] };
  assert.deepEqual(whole, [
    { ...payment, fields: [{ name: "card", type: wholeCard }, payment.fields?.[1]] },
    wholeCard,
    kind,
  ]);
  const text = generateUserTypes(whole);
  assert.equal(text.match(/export interface Card/g)?.length, 1);
  assert.match(text, /readonly kinds: readonly \(Kind \| null\)\[\];/);
  assert.match(text, /export type Kind = "debit" \| "credit";/);
});

test("a long may be a bigint in a user's types, and an instant is a number", () => {
  const field = (name: string, type: unknown) => ({ name, type });
  const instant = { type: "long", logicalType: "timestamp-micros" };
  const fields = [
    field("id", "long"),
    field("at", instant),
    field("maybe", ["null", "long"]),
    field("ids", { type: "array", items: "long" }),
  ];
  const text = generateUserTypes([{ type: "record", name: "R", fields }], "number | bigint");
  assert.match(text, /readonly id: number \| bigint;/);
  assert.match(text, /readonly at: number;/);
  assert.match(text, /readonly maybe: number \| bigint \| null;/);
  assert.match(text, /readonly ids: readonly \(number \| bigint\)\[\];/);
});
