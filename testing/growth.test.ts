import assert from "node:assert/strict";
import { test } from "node:test";
import { durationMs, isDuration } from "../schemas/duration.ts";
import { double, integer, isoMs } from "../schemas/formats/json/json-numbers.ts";
import { parseProto } from "../schemas/formats/protobuf/parse-proto.ts";
import { FrontGuard } from "../sinks/chdb/front-guard.ts";
import { exactJson } from "../sinks/exact-json.ts";
import { offlineQueryError } from "../sinks/offline-error.ts";
import { insertPrefixLength, requireReading, scanStatement } from "../sinks/statement.ts";
import { isTestFile } from "./tidy/arrows.ts";
import { sourceFiles } from "./tidy/source-tree.ts";

/** What repeats itself in a text that is meant to be slow, and what may stand around it. */
const pieces = [
  ...["/**/", "/*", "*/", "--\n", "//", "#!", "#"],
  ...["'", '"', "`", "‘", "“", "''", "\\'", "'\\", "$tag$", "$", "$$", "$a"],
  ...["(", ")", ";", " ", "\n", "\t", "a", "1", ",", ".", "-", "=", "%", "\0", "{", "}"],
  ...["FORMAT ", "INSERT ", "SETTINGS ", "VALUES ", "Code: ", "(version ", "1h", "$1$"],
];
const heads = ["", "INSERT INTO t ", "SELECT ", "'", "Code: 1"];

/** Time on the processor, ms: that of the clock tells of others, too. */
function timeOf(work: () => void): number {
  const before = process.cpuUsage();
  try {
    work();
  } catch {
    // A refusal takes its time, too.
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** Time that is worth a look, ms: below, chance says more than the text. */
const floorMs = 30;

/**
 * Whether twice the text takes more than three times the time, measured as four times the text and
 * nine times the time, at the first size at which it is worth a look; the least of some attempts.
 */
function growsTooFast(scan: (text: string) => void, head: string, piece: string): boolean {
  for (let chars = 32; chars <= 32_768; chars *= 4) {
    const text = (length: number) => head + piece.repeat(length / piece.length);
    if (timeOf(() => scan(text(chars))) < floorMs) continue;
    const least = (length: number) => {
      const of = text(length);
      return Math.min(...[0, 1, 2, 3].map(() => timeOf(() => scan(of))));
    };
    // Once may be chance: what grows too fast does so at twice the size, too.
    return [chars, 2 * chars].every((length) => least(length) > 9 * least(length / 4));
  }
  return false;
}

const scanners: Readonly<Record<string, (text: string) => unknown>> = {
  scanStatement,
  requireReading,
  insertPrefixLength,
  offlineQueryError,
  duration: (text) => (isDuration(text) ? durationMs(text) : 0),
  exactJson,
  FrontGuard: (text) => new FrontGuard(["file", "url"]).check(text),
  parseProto: (text) => parseProto(text),
  isoMs,
  double,
  integer,
};

for (const [name, scan] of Object.entries(scanners)) {
  test(`the time of ${name} grows with the length of its text, whatever the text`, () => {
    for (const head of heads) {
      for (const piece of pieces) {
        assert.ok(!growsTooFast(scan, head, piece), JSON.stringify([head, piece]));
      }
    }
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
    const scan = (text: string) => {
      const expression = new RegExp(source, flags);
      expression.exec(`${text}\u0001`);
    };
    // What the expression itself names, besides what is usual.
    const own = source
      .replace(/\\.|[^A-Za-z0-9 /]/g, " ")
      .split(" ")
      .filter(Boolean);
    const bad = [...pieces, ...own].find((piece) => growsTooFast(scan, "", piece));
    if (bad !== undefined) slow.push(`${path}: /${source}/ on ${JSON.stringify(bad)}`);
  }
  assert.deepEqual(slow, []);
});
