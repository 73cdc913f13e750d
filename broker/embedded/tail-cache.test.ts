import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { finishBatch, RecordBatchBuilder } from "../record-batch/builder.ts";
import { FileSegment } from "./file-segment.ts";
import { Storage } from "./storage.ts";
import { TailCache, type TailChunk } from "./tail-cache.ts";

const kib = 1024;

test("beyond its limit the cache lets the oldest chunks go, and nobody keeps their bytes", () => {
  const limitBytes = 64 * kib;
  const cache = new TailCache(limitBytes);
  const chunks: TailChunk[] = [];
  for (let i = 0; i < 3_000; i++) {
    chunks.push(cache.chunk(i, 4 * kib, 0));
    const held = chunks.reduce((sum, { buffer }) => sum + buffer.length, 0);
    assert.equal(held, cache.bytes);
    assert.ok(held <= limitBytes);
  }
  assert.deepEqual(
    chunks.filter(({ kept }) => kept),
    chunks.slice(-16),
  );
});

test("a cache that never fills keeps nothing of the chunks that it was told to forget", () => {
  const cache = new TailCache(64 * kib);
  cache.chunk(0, kib, 0);
  for (let i = 1; i < 10_000; i++) cache.forget(cache.chunk(i, kib, 0));
  assert.equal(cache.count, 1);
});

test("a closed segment holds no bytes that the cache has let go, and reads them from the file", () => {
  const directory = mkdtempSync(join(tmpdir(), "millrace-segment-"));
  try {
    const storage = new Storage(directory, { readOnly: false, flushes: false, faults: undefined });
    const cache = new TailCache(512 * kib);
    const closed = new FileSegment(directory, 0, 0, storage, cache);
    const open = new FileSegment(directory, 4, 0, storage, cache);
    for (let offset = 0; offset < 4; offset++) closed.append(batch(kib, offset), offset, "data");
    const before = Buffer.from(closed.read(0, 64 * kib));
    closed.seal();
    assert.ok(closed.residentBytes > 0);
    for (let offset = 4; offset < 2_000; offset++) open.append(batch(kib, offset), offset, "data");
    assert.equal(closed.residentBytes, 0);
    assert.ok(open.residentBytes <= cache.limitBytes);
    assert.deepEqual(closed.read(0, 64 * kib).subarray(0, before.length), before);
    open.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});

const stamp = { producerId: -1, epoch: -1, sequence: -1, transactional: false };

function batch(bytes: number, timestampMs: number): Buffer {
  const builder = new RecordBatchBuilder();
  builder.append(null, Buffer.alloc(bytes, timestampMs), timestampMs);
  const { encoded } = builder.build();
  finishBatch(encoded, stamp);
  return encoded;
}
