import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type { FeatureRow } from "../schemas/row.ts";
import type { OnlineFlush, OnlineStore } from "./store.ts";

type Store = () => OnlineStore;

/** What every driver of the online store keeps; `open` gives an empty store. */
export function onlineConformance(name: string, open: () => Promise<OnlineStore>): void {
  const opened: { store?: OnlineStore } = {};
  const store = (): OnlineStore => {
    assert.ok(opened.store);
    return opened.store;
  };
  before(async () => {
    opened.store = await open();
  });
  after(() => opened.store?.close());
  roundTripTests(name, store);
  fenceTests(name, store);
}

function roundTripTests(name: string, store: Store): void {
  test(`${name}: what was never written is null, and its partition has no progress`, async () => {
    const key = { view: "never@1", entityKey: "x", partition: 0 };
    const expected = [{ row: null, progress: Number.NEGATIVE_INFINITY }];
    assert.deepEqual(await store().read([key]), expected);
    assert.deepEqual(await store().read([]), []);
  });

  test(`${name}: it says where the last flush of a topic ended, and nothing of another`, async () => {
    const position = (id: string, partition = 0) => store().position("place@1", id, partition);
    assert.equal(await position("t1"), null);
    const empty = { view: "place@1", topicId: "t1", partition: 0, rows: [], progress: 1 };
    await store().write({ ...empty, nextOffset: 70 });
    await store().write({ ...empty, nextOffset: 60 });
    assert.deepEqual(
      [await position("t1"), await position("t2"), await position("t1", 1)],
      [70, null, null],
    );
  });

  test(`${name}: rows come back bit by bit, in the order of the keys`, async () => {
    const row: FeatureRow = {
      served: 1,
      asOf: 978_307_200_123,
      seq: 4_294_967_295,
      validUntil: Number.NaN,
      values: Float64Array.of(Number.NaN, -0, 1e-308, 1 / 3, Number.MAX_VALUE),
    };
    const other = {
      ...{ ...row, served: 0, validUntil: 978_307_300_000, values: new Float64Array() },
      others: Buffer.from([1, 2, 0, 0xc3, 0xa9, 0]),
    };
    await store().write(
      flush("a@1", 3, 10, 5_000, [
        ["é|\\|\0 x", 8, row],
        ["y".repeat(3_000), 9, other],
      ]),
    );
    const read = await store().read([
      { view: "a@1", entityKey: "y".repeat(3_000), partition: 3 },
      { view: "a@1", entityKey: "none", partition: 3 },
      { view: "a@2", entityKey: "é|\\|\0 x", partition: 3 },
      { view: "a@1", entityKey: "é|\\|\0 x", partition: 3 },
    ]);
    const nothing = { row: null, progress: Number.NEGATIVE_INFINITY };
    assert.deepEqual(read, [
      { row: other, progress: 5_000 },
      { row: null, progress: 5_000 },
      nothing,
      { row, progress: 5_000 },
    ]);
  });

  test(`${name}: a flush of thousands of keys is readable at once`, async () => {
    const entries = Array.from({ length: 2_000 }, (_, i): Entry => [`k${i}`, i, rowAt(i)]);
    await store().write(flush("many@1", 0, 2_000, 1, entries));
    const keys = entries.map(([entityKey]) => ({ view: "many@1", entityKey, partition: 0 }));
    const read = await store().read(keys);
    assert.deepEqual(
      read.map(({ row }) => row?.asOf),
      entries.map(([, offset]) => offset),
    );
  });
}

function fenceTests(name: string, store: Store): void {
  test(`${name}: the row with the highest offset of a topic wins, in any order, twice over`, async () => {
    let view = 0;
    const flushes = fc.array(
      fc.record({ key: fc.integer({ min: 0, max: 3 }), offset: fc.integer({ min: 0, max: 50 }) }),
      { minLength: 1, maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(flushes, async (writes) => {
        view += 1;
        const id = `fence${view}@1`;
        const newest = new Map<string, number>();
        for (const { key, offset } of [...writes, ...writes]) {
          const entry: Entry = [`k${key}`, offset, rowAt(offset)];
          await store().write(flush(id, 0, offset + 1, offset, [entry]));
          newest.set(`k${key}`, Math.max(offset, newest.get(`k${key}`) ?? 0));
        }
        const keys = [...newest.keys()].map((entityKey) => ({ view: id, entityKey, partition: 0 }));
        const read = await store().read(keys);
        assert.deepEqual(
          read.map(({ row }) => row?.asOf),
          [...newest.values()],
        );
        const progress = Math.max(...writes.map(({ offset }) => offset));
        assert.ok(read.every((entry) => entry.progress === progress));
      }),
      { numRuns: 15 },
    );
  });

  test(`${name}: a recreated topic, whose offsets begin anew, replaces rows and progress`, async () => {
    await store().write(flush("again@1", 0, 900, 900, [["k", 899, rowAt(899)]], "old"));
    await store().write(flush("again@1", 0, 2, 20, [["k", 1, rowAt(1)]], "new"));
    const read = await store().read([{ view: "again@1", entityKey: "k", partition: 0 }]);
    assert.equal(read[0]?.row?.asOf, 1);
    assert.equal(read[0]?.progress, 20);
  });

  test(`${name}: progress never falls within a topic, though a flush may know none`, async () => {
    await store().write(flush("known@1", 0, 5, 50, []));
    await store().write(flush("known@1", 0, 6, Number.NEGATIVE_INFINITY, [["k", 5, rowAt(40)]]));
    const read = await store().read([{ view: "known@1", entityKey: "k", partition: 0 }]);
    assert.equal(read[0]?.row?.asOf, 40);
    assert.equal(read[0]?.progress, 50);
  });

  test(`${name}: progress moves without rows`, async () => {
    await store().write(flush("idle@1", 2, 7, 70, []));
    await store().write(flush("idle@1", 2, 8, 80, []));
    const read = await store().read([{ view: "idle@1", entityKey: "k", partition: 2 }]);
    assert.deepEqual(read, [{ row: null, progress: 80 }]);
  });
}

type Entry = readonly [entityKey: string, offset: number, row: FeatureRow];

function rowAt(asOf: number): FeatureRow {
  return { served: 0, asOf, seq: 0, validUntil: asOf + 1, values: Float64Array.of(asOf / 2) };
}

function flush(
  view: string,
  partition: number,
  nextOffset: number,
  progress: number,
  entries: readonly Entry[],
  topicId = "6b1f0c1e-57d2-4f0e-9d5e-2c7f4f3b8a10",
): OnlineFlush {
  const rows = entries.map(([entityKey, offset, row]) => ({ entityKey, offset, row }));
  return { view, topicId, partition, rows, nextOffset, progress };
}
