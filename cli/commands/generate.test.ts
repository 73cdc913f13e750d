import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const folder = mkdtempSync(join(tmpdir(), "millrace-generate-"));
after(() => rmSync(folder, { recursive: true }));
const main = fileURLToPath(new URL("../main.js", import.meta.url));

function generate(...args: readonly string[]) {
  return spawnSync(process.execPath, [main, "generate", ...args], {
    cwd: folder,
    encoding: "utf8",
  });
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

test("contracts become one module of types and whole schemas, and --check holds it to them", () => {
  contract("kind.avsc", kind);
  contract("card.avsc", card);
  const files = ["card.avsc", "kind.avsc", "--out", "generated.ts"];
  assert.equal(generate(...files, "--check").status, 1);
  assert.equal(generate(...files).status, 0);
  const text = readFileSync(join(folder, "generated.ts"), "utf8");
  assert.match(text, /^\/\/ Written by `millrace generate` from card\.avsc kind\.avsc\. /);
  assert.match(text, /^import \{ type RecordSchema, recordSchema \} from "millrace";$/m);
  assert.match(text, /^export type Kind = "debit" \| "credit";$/m);
  assert.match(text, /^export const card: RecordSchema<Card> = recordSchema<Card>\(\{$/m);
  assert.equal(generate(...files, "--check").status, 0);
  contract("kind.avsc", { ...kind, symbols: ["debit"] });
  assert.equal(generate(...files, "--check").status, 1);
  assert.equal(
    generate("card.avsc", "kind.avsc").stdout,
    text.replace(' | "credit"', "").replace(/,\s+"credit"/, ""),
  );
});

test("a file that is no contract is named with what is wrong", () => {
  const wrong: [string, unknown, RegExp][] = [
    ["text.avsc", "no JSON", /text\.avsc is no schema: .*JSON/],
    ["field.avsc", { name: "amount", type: "double", fields: [] }, /field\.avsc .*named type/],
    ["list.avsc", [kind], /list\.avsc .*named type/],
    ["card.avsc", card, /card\.avsc .*type "shop\.Kind" is not declared/],
  ];
  for (const [file, text, message] of wrong) {
    contract(file, text);
    const { status, stderr } = generate(file);
    assert.deepEqual([status, stderr.trim().split("\n").length], [2, 1], stderr);
    assert.match(stderr, message);
  }
  assert.match(generate("absent.avsc").stderr, /absent\.avsc.*no such file/);
  assert.match(generate("kind.avsc", "--check").stderr, /--check: give the module/);
});

test("messages become a module of types and constants for protobuf, with their files", () => {
  contract("money.proto", 'syntax = "proto3"; package shop; message Money { sint64 cents = 1; }');
  contract(
    "paid.proto",
    `syntax = "proto3"; package shop; import "money.proto";
    message Paid { Money price = 1; repeated uint64 ids = 2; Kind kind = 3; optional bool ok = 4;
      Within within = 5; Paid earlier = 6; map<string, int32> counts = 7; bytes raw = 8;
      enum Kind { NONE = 0; CARD = 1; } message Within { double n = 1; } }`,
  );
  const { stdout, status, stderr } = generate("paid.proto", "money.proto");
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
  assert.match(generate("paid.proto", "kind.avsc").stderr, /a module is of Avro or of Protobuf/);
});
