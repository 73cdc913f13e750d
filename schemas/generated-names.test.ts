/** Whatever a record is called, what is generated for it compiles and is loaded. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { createJiti } from "jiti";
import { generateProtoTypes } from "./generate-proto-types.ts";
import { generateTypes } from "./generate-types.ts";
import { packageRoot } from "./package-root.ts";

const root = packageRoot();
const folder = join(root, ".build", "generated-names");
after(() => rmSync(folder, { recursive: true, force: true }));

/** Words of ECMAScript, of strict code and modules, of TypeScript, and of what is around. */
const words = `
  arguments async await break case catch class const continue debugger default delete do else enum
  eval export extends false finally for function if implements import in instanceof interface let
  new null package private protected public return static super switch this throw true try typeof
  var void while with yield abstract accessor any as asserts assert bigint boolean constructor
  declare from get global globalThis infer infinity is keyof module namespace never naN NaN number
  object of out override readonly require set string symbol type undefined unique unknown using
  exports satisfies __filename __dirname jitiImport jitiESMResolve buffer readonly record
  recordSchema protobufSchema proto promise object array toString valueOf __proto__ hasOwnProperty`
  .trim()
  .split(/\s+/);
const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
const names = [...new Set([...words.map(capital), ...words, "card", "Card", "Card_", "card_"])];

test("a record of any name gives a module that compiles, whose constants are all there", async () => {
  const fields = [
    { name: "return", type: "long" },
    { name: "raw", type: ["null", "bytes"] },
    { name: "tags", type: { type: "map", values: { type: "array", items: "string" } } },
  ];
  // Names of Avro's own types are no names of records.
  const avro = names.filter((name) => !/^(null|boolean|string|map|array|enum|record)$/.test(name));
  const schemas = avro.map((name) => ({ type: "record", name, fields }) as const);
  const comment = ["Generated."];
  const head = { comment, from: "millrace", long: "number | bigint" } as const;
  // What Protobuf's parser takes for a message.
  const messages = names
    .filter((name) => !/^(__proto__|constructor|toString|valueOf|hasOwnProperty)$/.test(name))
    .map((name) => `message ${name} { int64 id = 1; repeated bytes return = 2; }`);
  const proto = `syntax = "proto3"; package shop;\n${messages.join("\n")}`;
  const modules = {
    "avro.ts": generateTypes(schemas, head),
    "proto.ts": generateProtoTypes([proto], comment),
  };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of Object.entries(modules)) writeFileSync(join(folder, file), text);
  const config = {
    extends: "../../tsconfig.json",
    compilerOptions: { noEmit: true },
    include: ["*.ts"],
    exclude: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const args = [compiler, "-p", folder, "--pretty", "false"];
  const { stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
  assert.equal(stdout, "");
  // As `millrace run` loads an application where Node itself does not.
  const jiti = createJiti(import.meta.url);
  const [avroModule, protoModule] = await Promise.all(
    Object.keys(modules).map((file) => jiti.import<object>(join(folder, file))),
  );
  assert.equal(Object.keys(avroModule ?? {}).length, schemas.length);
  assert.equal(Object.keys(protoModule ?? {}).length, messages.length);
});

test("names that TypeScript takes stay, and others have as many _ as tell them apart", () => {
  const constantsOf = (...records: string[]) => {
    const schemas = records.map((name) => ({ type: "record", name, fields: [] }) as const);
    const text = generateTypes(schemas, { comment: [], from: "millrace", long: "number" });
    return [...text.matchAll(/^export const (\w+): RecordSchema<(\w+)>/gm)].map((found) => [
      found[1],
      found[2],
    ]);
  };
  assert.deepEqual(constantsOf("Payment", "Return", "return", "Record", "payment"), [
    ["payment", "Payment"],
    ["return_", "Return"],
    ["return__", "return_"],
    ["record_", "Record_"],
    ["payment_", "payment"],
  ]);
});
