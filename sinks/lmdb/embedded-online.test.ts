import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { onlineConformance } from "../online-conformance.ts";
import { openEmbeddedOnlineStore } from "./embedded-online.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-online-"));
after(() => rmSync(folder, { recursive: true, force: true }));

onlineConformance("embedded", () => openEmbeddedOnlineStore({ directory: join(folder, "all") }));

test("rows and progress are there after closing and opening, for their owner alone", async () => {
  const directory = join(folder, "reopened");
  const row = { served: 0, asOf: 1, seq: 2, validUntil: 3, values: Float64Array.of(4) };
  const first = await openEmbeddedOnlineStore({ directory });
  await first.write({
    view: "a@1",
    topicId: "t",
    partition: 0,
    rows: [{ entityKey: "k", offset: 5, row }],
    nextOffset: 6,
    progress: 7,
  });
  await first.close();
  const second = await openEmbeddedOnlineStore({ directory });
  const read = await second.read([{ view: "a@1", entityKey: "k", partition: 0 }]);
  assert.deepEqual(read, [{ row, progress: 7 }]);
  await second.close();
  assert.equal(statSync(join(directory, "online.lmdb")).mode & 0o077, 0);
});
