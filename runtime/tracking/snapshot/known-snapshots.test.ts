import assert from "node:assert/strict";
import { test } from "node:test";
import type { SnapshotEnd } from "../../../schemas/tracking-snapshot.ts";
import { KnownSnapshots } from "./known-snapshots.ts";

const end = (covers: number, format = 1): SnapshotEnd => ({
  ...{ kind: "snapshot", id: `of ${covers}`, at: 0, format, covers, from: covers + 5, parts: 1 },
  ...{ sha256: "", stateBytes: covers, logBytes: covers },
});

test("what covers most is the newest, in whatever order gateways end", () => {
  const known = new KnownSnapshots();
  assert.deepEqual([known.newest, known.dispensableBelow], [null, 0]);
  known.add(end(100));
  assert.equal(known.dispensableBelow, 0, "the first alone lets nothing be deleted");
  known.add(end(300));
  known.add(end(200));
  known.add(end(300));
  assert.equal(known.newest?.covers, 300);
  assert.equal(known.dispensableBelow, 200);
  assert.deepEqual(
    known.from(150).map(({ covers }) => covers),
    [300, 200],
    "the log has no longer what comes behind 100",
  );
});

test("one that cannot be read is none: what it covers stays", () => {
  const known = new KnownSnapshots();
  for (const covers of [100, 200, 300]) known.add(end(covers));
  known.drop(end(300));
  assert.equal(known.newest?.covers, 200);
  assert.equal(known.dispensableBelow, 100);
  assert.equal(known.hasLater, false);
  known.add(end(400, 2));
  assert.equal(known.hasLater, true);
});
