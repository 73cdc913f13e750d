import assert from "node:assert/strict";
import { test } from "node:test";
import { awayFailures, awayLines } from "./away.ts";

const mib = 2 ** 20;
const absence = { awayMs: 300_000, rssBefore: 200 * mib, rssAway: 264 * mib, rssAfter: 0 };
const stored = { rows: 10, ids: 10, afterMs: 2_000 };

test("lost and doubled predictions and grown memory fail the run, and nothing else does", () => {
  assert.deepEqual(awayFailures(absence, stored, 10), []);
  assert.match(awayFailures(absence, stored, 11).join(), /^1 of 11 served predictions are not in/);
  assert.match(awayFailures(absence, { ...stored, rows: 12 }, 10).join(), /^2 .* twice$/);
  const grown = { ...absence, rssAway: 265 * mib };
  assert.match(awayFailures(grown, stored, 10).join(), /^the run grew by 65 MiB/);
  assert.match(awayLines(absence, stored, 10).join(), /away for 300 s.*10 of 10.*200 MiB.*264 MiB/);
});
