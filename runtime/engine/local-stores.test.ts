import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { requirement } from "../../testing/requirements-fixture.ts";
import { mountSmallDisk } from "../../testing/small-disk-fixture.ts";
import { LocalStores } from "./local-stores.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-local-stores-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("what the database refuses is told as it is, and is no full disk", () => {
  const stores = new LocalStores({ directory: join(folder, "refused"), entries: 1 });
  const { store } = stores.open();
  const put = () => {
    for (let key = 0; key < 10_000; key++) store.put(`${"k".repeat(2_500)}${key}`, Buffer.of(1));
  };
  assert.throws(put, { code: "STORAGE_FAILED", message: /maximum key size/ });
  stores.clear();
});

test("a full disk is told as one, and there is room again once the tasks are made anew", {
  skip: requirement("mount"),
}, () => {
  const disk = mountSmallDisk(join(folder, "disk"), 3);
  try {
    const stores = new LocalStores({ directory: join(disk.path, "spill"), entries: 1 });
    const put = () => {
      const { store } = stores.open();
      for (let key = 0; key < 20_000; key++) store.put(`${key}`, Buffer.alloc(1_000));
    };
    assert.throws(put, { code: "STORAGE_FULL", message: /no space is left/ });
    stores.clear();
    disk.resize(80);
    put();
    stores.clear();
  } finally {
    disk.unmount();
  }
});
