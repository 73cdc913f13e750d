/** The short form of `loadtest/scoring-stress.ts`. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CheckedLoad, type Tally } from "./checked-load.ts";
import { idModel } from "./id-models.ts";

const run = promisify(execFile);
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "millrace-stress-"));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Every request has ended, and none with the answer of another. */
function assertChecked({ asked, right, misrouted, broken, ...others }: Tally): void {
  const { late, cancelled, refused, busy, missing } = others;
  assert.deepEqual({ misrouted, broken }, { misrouted: 0, broken: 0 });
  assert.equal(right + late + cancelled + refused + busy + missing, asked);
  assert.ok(right > asked / 3, `${right} of ${asked}`);
}

test("a process that swaps, resizes, cancels and is ended under load answers each its own", async () => {
  const program = fileURLToPath(new URL("./stress-process.js", import.meta.url));
  const { stdout } = await run(process.execPath, [program, "ours", folder, "6", "short"]);
  assertChecked(JSON.parse(stdout.trim()) as Tally);
});

test("requests of four models have their own answers, with late and missing ones among them", async () => {
  const models = [
    await idModel(folder, 0, {}),
    await idModel(folder, 1, { native: true }),
    await idModel(folder, 2, {}),
    await idModel(folder, 3, { native: true }),
  ];
  const load = new CheckedLoad(folder, models, "many", 600);
  for (let round = 0; round < 6; round++) {
    // Each with the next policy.
    if (round > 0) load.resize(1);
    await load.askDoor(1_000);
    load.askStream(500, round % 2 === 0);
    await load.settled();
  }
  await load.end();
  assertChecked(load.tally);
  assert.ok(load.tally.busy > 0);
  // A batch is of one model: one that is missing fails the requests of no other.
  assert.ok(
    load.tally.missing < load.tally.asked / 50,
    `${load.tally.missing} are of a missing model`,
  );
});
