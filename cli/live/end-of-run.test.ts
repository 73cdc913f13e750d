/** When a live run ends, by what the start before it left. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { cardPayments } from "../../examples/writing-a-topology/card-payments.ts";
import { openStack, run } from "../../run.ts";
import type { LiveRecord } from "./live-record.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-end-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = (data: string) => join(data, "live.json");
const recordOf = (data: string) => JSON.parse(readFileSync(file(data), "utf8")) as LiveRecord;

/** Runs live for so long; gives what was said. */
async function live(data: string, length: string): Promise<string> {
  const said: string[] = [];
  const settings = { for: length };
  const onNotice = (line: string) => void said.push(line);
  await run(cardPayments, { data, mode: "live", settings, onNotice });
  return said.join("\n");
}

test("a start that fails before it runs sets no end, another --for counts from now", async () => {
  const data = join(folder, "data");
  await assert.rejects(live(data, "1h"), { code: "SOURCE_MISSING" });
  assert.equal(existsSync(file(data)), false, "nothing ran");
  const stack = await openStack({ data });
  await stack.broker.createTopics(cardPayments.topics.filter(({ role }) => role === "source"));
  await stack.close();

  const began = Date.now();
  assert.doesNotMatch(await live(data, "1s"), /end of the run|cut off/);
  const first = recordOf(data);
  assert.ok(first.ended && (first.until ?? 0) < began + 60_000, "1 s, not the hour before");

  // As a kill leaves it.
  const until = Date.now() + 3_600_000;
  writeFileSync(file(data), JSON.stringify({ ...first, ended: false, until, forMs: 3_600_000 }));
  const said = await live(data, "2s");
  assert.match(said, /--for counts from now: the run that was cut off was to end at 20\d\d-/);
  assert.ok((recordOf(data).until ?? until) < until);

  // The same value goes on to the end that it had, which is over by now.
  const over = Date.now() - 1_000;
  writeFileSync(file(data), JSON.stringify({ ...first, ended: false, until: over, forMs: 60_000 }));
  assert.match(await live(data, "1m"), /goes on to 20.* UTC, the end of the run that was cut off/);
  assert.equal(recordOf(data).until, over);
});
