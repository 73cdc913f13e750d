import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { requirement } from "../../testing/requirements-fixture.ts";
import { mountSmallDisk } from "../../testing/small-disk-fixture.ts";
import { onlineConformance } from "../online-conformance.ts";
import { openEmbeddedOnlineStore } from "./embedded-online.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-online-"));
after(() => rmSync(folder, { recursive: true, force: true }));

onlineConformance("embedded", () => openEmbeddedOnlineStore({ directory: join(folder, "all") }));

test("a disk that is full is told by its code, and once it has room nothing is missing", {
  skip: requirement("mount"),
}, async () => {
  const disk = mountSmallDisk(join(folder, "disk"), 3);
  const store = await openEmbeddedOnlineStore({ directory: join(disk.path, "online") });
  try {
    const flush = (number: number, rows = 100, width = 40) => ({
      view: "a@1",
      topicId: "t",
      partition: 0,
      rows: Array.from({ length: rows }, (_, row) => {
        const values = new Float64Array(width).fill(row);
        const offset = 100 * number + row;
        const of = { served: 0, asOf: 1, seq: 2, validUntil: 3, values };
        return { entityKey: `${number}-${row}`, offset, row: of };
      }),
      nextOffset: 100 * (number + 1),
      progress: number,
    });
    let number = 0;
    const full = { code: "STORAGE_FULL", message: /no space is left/ };
    const fill = async () => {
      for (; number < 100; number++) await store.write(flush(number));
    };
    await assert.rejects(fill, full);
    assert.ok(number > 5, `only ${number} flushes had room`);
    // Small rows take more room than their values: lmdb itself meets the end of the disk.
    disk.resize(7);
    await assert.rejects(store.write(flush(number, 60_000, 1)), full);
    const [none] = await store.read([{ view: "a@1", entityKey: `${number}-7`, partition: 0 }]);
    assert.deepEqual([none?.row, none?.progress], [null, number - 1], "nothing of it is there");
    disk.resize(16);
    await fill();
    for (const each of [0, number - 1]) {
      const keys = [{ view: "a@1", entityKey: `${each}-7`, partition: 0 }];
      const [read] = await store.read(keys);
      assert.deepEqual([read?.row?.values[3], read?.progress], [7, 99]);
    }
  } finally {
    await store.close();
    disk.unmount();
  }
});

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
