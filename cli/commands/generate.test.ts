import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { askMillraceIn, killStarted } from "../millrace-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-generate-"));
after(() => {
  killStarted();
  rmSync(folder, { recursive: true });
});

function generate(...args: readonly string[]) {
  return askMillraceIn({ cwd: folder }, "generate", ...args);
}

function contract(file: string, text: unknown): void {
  writeFileSync(join(folder, file), typeof text === "string" ? text : JSON.stringify(text));
}

const kind = { type: "enum", name: "Kind", namespace: "shop", symbols: ["debit", "credit"] };
const card = {
  type: "record",
  name: "Card",
  namespace: "shop",
  fields: [{ name: "kind", type: "Kind" }],
};

test("contracts become one module of types and whole schemas, and --check holds it to them", async () => {
  contract("kind.avsc", kind);
  contract("card.avsc", card);
  const files = ["card.avsc", "kind.avsc", "--out", "generated.ts"];
  assert.equal((await generate(...files, "--check")).code, 1);
  assert.equal((await generate(...files)).code, 0);
  const text = readFileSync(join(folder, "generated.ts"), "utf8");
  assert.match(text, /^\/\/ Written by `millrace generate` from card\.avsc kind\.avsc\. /);
  assert.match(text, /^import \{ type RecordSchema, recordSchema \} from "millrace";$/m);
  assert.match(text, /^export type Kind = "debit" \| "credit";$/m);
  assert.match(text, /^export const card: RecordSchema<Card> = recordSchema<Card>\(\{$/m);
  assert.equal((await generate(...files, "--check")).code, 0);
  contract("kind.avsc", { ...kind, symbols: ["debit"] });
  assert.equal((await generate(...files, "--check")).code, 1);
  assert.equal(
    (await generate("card.avsc", "kind.avsc")).out,
    text.replace(' | "credit"', "").replace(/,\s+"credit"/, ""),
  );
});

test("a file that is no contract is named with what is wrong", async () => {
  const wrong: [string, unknown, RegExp][] = [
    ["text.avsc", "no JSON", /text\.avsc is no schema: .*JSON/],
    ["field.avsc", { name: "amount", type: "double", fields: [] }, /field\.avsc .*named type/],
    ["list.avsc", [kind], /list\.avsc .*named type/],
    ["card.avsc", card, /card\.avsc .*type "shop\.Kind" is not declared/],
  ];
  for (const [file, text, message] of wrong) {
    contract(file, text);
    const { code: status, err: stderr } = await generate(file);
    assert.deepEqual([status, stderr.trim().split("\n").length], [2, 1], stderr);
    assert.match(stderr, message);
  }
  assert.match((await generate("absent.avsc")).err, /absent\.avsc.*no such file/);
  assert.match((await generate("kind.avsc", "--check")).err, /--check: give the module/);
});

test("messages become a module of types and constants for protobuf, with their files", async () => {
  contract("money.proto", 'syntax = "proto3"; package shop; message Money { sint64 cents = 1; }');
  contract(
    "paid.proto",
    `syntax = "proto3"; package shop; import "money.proto";
    message Paid { Money price = 1; repeated uint64 ids = 2; Kind kind = 3; optional bool ok = 4;
      Within within = 5; Paid earlier = 6; map<string, int32> counts = 7; bytes raw = 8;
      enum Kind { NONE = 0; CARD = 1; } message Within { double n = 1; } }`,
  );
  const { out: stdout, code: status, err: stderr } = await generate("paid.proto", "money.proto");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^import type \{ ProtobufSchema \} from "millrace";$/m);
  const lines = [
    "export interface Paid {",
    "  readonly price: Money | null;",
    "  readonly ids: readonly (number | bigint)[];",
    '  readonly kind: "NONE" | "CARD";',
    "  readonly ok: boolean | null;",
    "  readonly within: PaidWithin | null;",
    "  readonly raw: string;",
    "}",
  ];
  assert.ok(stdout.includes(lines.join("\n")), stdout);
  assert.match(
    stdout,
    /^export const paid: ProtobufSchema<Paid> = \{ message: "shop.Paid", proto \};$/m,
  );
  assert.match(stdout, /^export const money: /m);
  assert.doesNotMatch(stdout, /const paidWithin/);
  assert.match(
    (await generate("paid.proto", "kind.avsc")).err,
    /a module is of Avro or of Protobuf/,
  );
});
