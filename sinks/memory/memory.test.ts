import assert from "node:assert/strict";
import { test } from "node:test";
import { conformanceBlock, conformanceTable, offlineConformance } from "../offline-conformance.ts";
import { onlineConformance } from "../online-conformance.ts";
import { createMemoryOfflineStore, createMemoryOnlineStore } from "./memory.ts";

onlineConformance("memory", async () => createMemoryOnlineStore());
offlineConformance("memory", async () => createMemoryOfflineStore(), {
  sql: "the store in memory takes no SQL; its rows are tested in memory.test.ts",
});

test("rows in memory come back as they were written, once a token", async () => {
  const store = createMemoryOfflineStore();
  await store.migrate([conformanceTable], []);
  await store.insert(conformanceBlock(0, 3));
  await store.insert(conformanceBlock(0, 3));
  assert.equal(store.rows("raw_things").length, 4);
  assert.deepEqual(store.rows("raw_things")[1], {
    name: "n\n\n;DROP TABLE x;1",
    at: 978_307_200_001,
    value: 0.25,
    count: 1,
    topic: "things",
    partition: 1,
    offset: 1,
    topic_id: "id",
  });
  assert.equal(store.rows("raw_things")[0]?.["value"], null);
  await assert.rejects(
    store.insert({ ...conformanceBlock(0, 1), table: { ...conformanceTable, name: "other" } }),
    {
      code: "OFFLINE_QUERY_FAILED",
    },
  );
});
