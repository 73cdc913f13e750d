import assert from "node:assert/strict";
import { test } from "node:test";
import { growsTooFast, slowText, statements } from "./growth-fixture.ts";
import { ownBytes, scanners } from "./scanners-fixture.ts";
import { isTestFile } from "./tidy/arrows.ts";
import { sourceFiles } from "./tidy/source-tree.ts";

for (const { name, scan, made } of scanners) {
  test(`the time of ${name} grows with the length of its text, whatever the text`, () => {
    assert.equal(slowText(scan, made), null);
  });
}

/** Regular expressions that repeat something, as they stand in the product's sources. */
function expressions(): {
  readonly path: string;
  readonly source: string;
  readonly flags: string;
}[] {
  const literal =
    /(?<=[=(,:?&|!\s[])\/((?:[^\s/\\[]|\\.|\[(?:[^\]\\]|\\.)*\]| )+)\/([a-z]*)(?=[.,;)\s\]])/g;
  const product = sourceFiles().filter(({ path }) => !isTestFile(path));
  return product.flatMap(({ path, text }) =>
    [...text.matchAll(literal)].flatMap(([, source = "", flags = ""]) => {
      if (!/[*+{]/.test(source)) return [];
      try {
        new RegExp(source, flags);
        return [{ path, source, flags }];
      } catch {
        return [];
      }
    }),
  );
}

test("the time of every regular expression grows with the length of its text", () => {
  const found = expressions();
  assert.ok(found.length > 50, `${found.length} are too few: the search is at fault`);
  const slow: string[] = [];
  for (const { path, source, flags } of found) {
    const scanTo = (tail: string) => (text: string) => {
      for (const _ of (text + tail).matchAll(new RegExp(source, `${flags.replace("g", "")}g`)));
    };
    // What the expression itself names, besides what is usual.
    const own = source
      .replace(/\\.|[^A-Za-z0-9 /]/g, " ")
      .split(" ")
      .filter(Boolean);
    // What makes a text none at its end: all that was matched before is then tried again.
    for (const tail of source.includes("\\\\") ? ["\u0001", "\\"] : ["\u0001"]) {
      const scan = scanTo(tail);
      const bad = [...statements.pieces, ...own].find((piece) => growsTooFast(scan, "", piece));
      if (bad === undefined) continue;
      slow.push(`${path}: /${source}/ on ${JSON.stringify([bad, tail])}`);
    }
  }
  assert.deepEqual(slow, []);
});

/** Rooms whose texts and bytes may be a stranger's. */
const rooms =
  /^(schemas|sinks|serving|gateway|broker|runtime\/(ingest|schema-registry)|cli\/inspect)\//;
/** How a scanner goes on: by a place in its text. */
const goesOn = new RegExp(
  String.raw`(charCode|codePoint)At\(|\.lastIndex\b|\.indexOf\([^()]+, \w` +
    String.raw`|while \([^)]*\b(position|at)\b[^)]*<`,
  "i",
);

test("every file that goes through a text or bytes by places is a scanner of this test", () => {
  const known = new Set([...Object.keys(ownBytes), ...scanners.flatMap(({ files }) => files)]);
  const product = sourceFiles().filter(({ path }) => rooms.test(path) && !isTestFile(path));
  const found = product.filter(({ text }) => goesOn.test(text)).map(({ path }) => path);
  assert.ok(found.length > 10, `${found.length} are too few: the search is at fault`);
  assert.deepEqual(
    found.filter((path) => !known.has(path)),
    [],
    "give it to the scanners of testing/scanners-fixture.ts",
  );
  const paths = new Set(sourceFiles().map(({ path }) => path));
  assert.deepEqual(
    [...known].filter((path) => !paths.has(path)),
    [],
  );
});
