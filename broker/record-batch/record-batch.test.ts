import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import type { AbortedTransaction, FetchedPartition, FetchRequest } from "../broker.ts";
import { controlBatch, finishBatch, RecordBatchBuilder, type RecordHeader } from "./builder.ts";
import { crc32c } from "./crc32c.ts";
import { layout, writeInt64 } from "./layout.ts";
import { RecordReader } from "./reader.ts";

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null });
const timestamp = fc.oneof(
  fc.integer({ min: 0, max: 1_000 }),
  fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
  fc.constantFrom(Date.UTC(2001, 0, 1), Date.UTC(2038, 0, 20), 2 ** 32, -1),
);
const header = fc.record({ key: fc.string({ unit: "binary" }), value: bytes });
const record = fc.record({
  key: bytes,
  value: bytes,
  timestamp,
  headers: fc.array(header, { maxLength: 3 }),
});

test("what the builder writes the reader reads", () => {
  const builder = new RecordBatchBuilder({ initialBytes: 1 });
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 200 }), (records) => {
      builder.reset();
      for (const each of records) {
        builder.append(each.key, each.value, each.timestamp, each.headers);
      }
      const { encoded, count } = builder.build();
      assert.equal(count, records.length);
      assert.equal(encoded.length, builder.sizeBytes);
      finishBatch(encoded, {
        baseOffset: 2 ** 40,
        producerId: 2 ** 33,
        epoch: 7,
        sequence: 5,
        transactional: false,
      });
      const reader = new RecordReader({ checkCrc: true });
      reader.open(fetchedOf(encoded, 2 ** 40), "read_committed");
      for (const [index, each] of records.entries()) {
        assert.ok(reader.next());
        assert.equal(reader.offset, 2 ** 40 + index);
        assert.equal(reader.timestampMs, each.timestamp);
        assert.equal(reader.producerId, 2 ** 33);
        assert.deepEqual(keyIn(reader), each.key === null ? null : Buffer.from(each.key));
        assert.deepEqual(valueIn(reader), each.value === null ? null : Buffer.from(each.value));
        assert.deepEqual(reader.headers(), each.headers.map(asBuffers));
      }
      assert.ok(!reader.next());
      assert.equal(reader.nextOffset, 2 ** 40 + records.length);
    }),
  );
});

test("slices of larger buffers are appended like records of their own", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), fc.nat(), (data, a, b) => {
      const cut = data.length === 0 ? 0 : a % (data.length + 1);
      const start = cut === 0 ? 0 : b % (cut + 1);
      const sliced = new RecordBatchBuilder();
      sliced.appendSlices(data, start, cut, data, 0, cut, 5);
      sliced.appendSlices(data, -1, -1, data, -1, -1, 4);
      const whole = new RecordBatchBuilder();
      whole.append(data.subarray(start, cut), data.subarray(0, cut), 5);
      whole.append(null, null, 4);
      assert.deepEqual(sliced.build(), whole.build());
    }),
  );
});

test("the header of a batch holds its first and its largest timestamp", () => {
  const builder = new RecordBatchBuilder();
  for (const time of [50, 10, 90, 70]) builder.append(null, null, time);
  const { encoded } = builder.build();
  assert.equal(encoded.readBigInt64BE(layout.baseTimestamp), 50n);
  assert.equal(encoded.readBigInt64BE(layout.maxTimestamp), 90n);
  assert.throws(() => builder.append(null, null, 0.5), RangeError);
  assert.throws(() => builder.append(null, null, Number.NaN), RangeError);
  assert.throws(() => new RecordBatchBuilder().build(), RangeError);
});

test("the CRC is Castagnoli's, and continues", () => {
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600, size: "max" }), fc.nat(600), (data, cut) => {
      const at = Math.min(cut, data.length);
      assert.equal(crc32c(data, at), naiveCrc32c(data.subarray(at)));
      assert.equal(crc32c(data, at, data.length, crc32c(data, 0, at)), crc32c(data));
    }),
  );
});

/** From its definition, a bit at a time. */
function naiveCrc32c(data: Uint8Array): number {
  let crc = -1;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

interface Step {
  readonly producer: number;
  readonly kind: "data" | "commit" | "abort" | "plain";
  readonly fourZeroBytes: boolean;
}
const step: fc.Arbitrary<Step> = fc.record({
  producer: fc.nat(3),
  kind: fc.constantFrom("data", "data", "data", "commit", "abort", "plain"),
  fourZeroBytes: fc.boolean(),
});

test("no record of an aborted transaction gets through, wherever the fetch starts", () => {
  const reader = new RecordReader({ checkCrc: true });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(), (steps, at) => {
      const log = writeLog(steps);
      const from = log.nextOffset === 0 ? 0 : at % log.nextOffset;
      const first = log.starts.findLast(([offset]) => offset <= from) ?? [0, 0];
      const overlapping = log.aborted.filter((each) => each.lastOffset >= from);
      reader.open(fetchedOf(log.bytes.subarray(first[1]), from, overlapping), "read_committed");
      const seen: number[] = [];
      while (reader.next()) seen.push(reader.offset);
      assert.deepEqual(
        seen,
        log.committed.filter((offset) => offset >= from),
      );
      assert.equal(reader.nextOffset, log.nextOffset);
    }),
    { numRuns: 300 },
  );
});

test("a cut-off last batch is ignored", () => {
  const log = writeLog([
    { producer: 0, kind: "plain", fourZeroBytes: true },
    { producer: 0, kind: "plain", fourZeroBytes: true },
  ]);
  const reader = new RecordReader();
  const second = log.starts[1]?.[1] ?? 0;
  for (let end = second; end < log.bytes.length; end++) {
    reader.open(fetchedOf(log.bytes.subarray(0, end), 0), "read_committed");
    assert.ok(reader.next());
    assert.ok(!reader.next());
    assert.equal(reader.nextOffset, 1);
  }
});

test("a reader at the end holds the bytes no more, stays at the end and can be opened again", () => {
  const log = writeLog([{ producer: 0, kind: "plain", fourZeroBytes: true }]);
  const reader = new RecordReader();
  for (let time = 0; time < 2; time++) {
    reader.open(fetchedOf(log.bytes, 0), "read_committed");
    assert.ok(reader.next());
    assert.equal(reader.buffer, log.bytes);
    for (let look = 0; look < 2; look++) assert.ok(!reader.next());
    assert.equal(reader.buffer.length, 0);
    assert.equal(reader.nextOffset, 1);
  }
});

test("a damaged batch is named by topic, partition and offset", () => {
  const { bytes: log } = writeLog([{ producer: 0, kind: "plain", fourZeroBytes: true }]);
  const reader = new RecordReader({ checkCrc: true });
  for (let at = layout.attributes; at < log.length; at++) {
    const damaged = Buffer.from(log);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    reader.open(fetchedOf(damaged, 0), "read_committed");
    assert.throws(() => reader.next(), {
      code: "RECORD_BATCH_CORRUPT",
      message: /t\/3, offset 0/,
    });
  }
});

test("damage that nobody checked for stops the reader or is read, and never loops", () => {
  const unchecked = new RecordReader();
  const { bytes: log } = writeLog([
    { producer: 0, kind: "plain", fourZeroBytes: true },
    { producer: 1, kind: "data", fourZeroBytes: false },
    { producer: 1, kind: "commit", fourZeroBytes: false },
  ]);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(log.length - 1), fc.nat(255)), { minLength: 1 }),
      (hits) => {
        const damaged = Buffer.from(log);
        for (const [at, value] of hits) damaged[at] = value;
        unchecked.open(fetchedOf(damaged, 0), "read_committed");
        try {
          for (let count = 0; unchecked.next(); count++) assert.ok(count < 1_000_000);
        } catch (error) {
          assert.match(String((error as { code?: string }).code), /^RECORD_BATCH_/);
        }
      },
    ),
  );
});

test("damaged headers stop the reader, and never loop", () => {
  const builder = new RecordBatchBuilder();
  builder.append(null, null, 0, [{ key: "a key of some length", value: null }]);
  const { encoded } = builder.build();
  const start = encoded.indexOf("a key") - 2;
  // Two thousand million headers, the first with a key of −2 bytes: it leads back to itself.
  Buffer.from("feffffff0f03", "hex").copy(encoded, start);
  const reader = new RecordReader();
  reader.open(fetchedOf(encoded, 0), "read_committed");
  assert.ok(reader.next());
  assert.throws(() => reader.headers(), { code: "RECORD_BATCH_CORRUPT" });
});

test("gzip is unpacked; a codec without a decoder is named", () => {
  const builder = new RecordBatchBuilder();
  builder.append(Buffer.from("k"), Buffer.from("v".repeat(500)), 7);
  builder.append(null, Buffer.from("w"), 8);
  const { encoded } = builder.build();
  const packed = gzipSync(encoded.subarray(layout.records));
  const batch = Buffer.concat([encoded.subarray(0, layout.records), packed]);
  batch.writeInt32BE(batch.length - 12, layout.batchLength);
  batch.writeInt16BE(1, layout.attributes);
  finishBatch(batch, { producerId: -1, epoch: -1, sequence: -1, transactional: false });
  const reader = new RecordReader({ checkCrc: true });
  reader.open(fetchedOf(batch, 0), "read_committed");
  assert.ok(reader.next() && valueIn(reader)?.length === 500);
  assert.ok(reader.next() && valueIn(reader)?.toString() === "w");
  assert.ok(!reader.next());
  batch.writeInt16BE(6, layout.attributes);
  const unchecked = new RecordReader();
  unchecked.open(fetchedOf(batch, 0), "read_committed");
  assert.throws(() => unchecked.next(), { code: "RECORD_BATCH_UNSUPPORTED", message: /codec 6/ });
});

function writeLog(steps: readonly Step[]) {
  const parts: Buffer[] = [];
  const starts: [offset: number, position: number][] = [];
  const open = new Map<number, number[]>();
  const committed: number[] = [];
  const aborted: (AbortedTransaction & { lastOffset: number })[] = [];
  let nextOffset = 0;
  let position = 0;
  const push = (batch: Buffer, count: number) => {
    starts.push([nextOffset, position]);
    writeInt64(batch, nextOffset, layout.baseOffset);
    parts.push(batch);
    position += batch.length;
    nextOffset += count;
  };
  const end = (producer: number, kind: "commit" | "abort") => {
    const offsets = open.get(producer);
    if (offsets === undefined) return;
    open.delete(producer);
    if (kind === "commit") committed.push(...offsets);
    else {
      aborted.push({
        producerId: producer,
        firstOffset: offsets[0] as number,
        lastOffset: nextOffset,
      });
    }
    push(controlBatch(kind, producer, 0, 0), 1);
  };
  for (const { producer, kind, fourZeroBytes } of steps) {
    if (kind === "commit" || kind === "abort") {
      end(producer, kind);
      continue;
    }
    const builder = new RecordBatchBuilder();
    const count = fourZeroBytes ? 1 : 3;
    for (let i = 0; i < count; i++) builder.append(Buffer.alloc(4), Buffer.from("value"), 0);
    const { encoded } = builder.build();
    const transactional = kind === "data";
    finishBatch(encoded, { producerId: producer, epoch: 0, sequence: 0, transactional });
    const offsets = Array.from({ length: count }, (_, i) => nextOffset + i);
    if (transactional) open.set(producer, [...(open.get(producer) ?? []), ...offsets]);
    else committed.push(...offsets);
    push(encoded, count);
  }
  for (const producer of [...open.keys()].sort()) end(producer, "abort");
  committed.sort((a, b) => a - b);
  return { bytes: Buffer.concat(parts), starts, committed, aborted, nextOffset };
}

function fetchedOf(
  records: Buffer,
  offset: number,
  aborted: readonly AbortedTransaction[] = [],
): FetchedPartition & { isolation?: FetchRequest["isolation"] } {
  return {
    topic: "t",
    partition: 3,
    offset,
    records,
    aborted,
    highWatermark: Number.MAX_SAFE_INTEGER,
    lastStableOffset: Number.MAX_SAFE_INTEGER,
    logStartOffset: 0,
  };
}

function keyIn(reader: RecordReader): Buffer | null {
  return reader.keyStart < 0 ? null : reader.buffer.subarray(reader.keyStart, reader.keyEnd);
}

function valueIn(reader: RecordReader): Buffer | null {
  return reader.valueStart < 0 ? null : reader.buffer.subarray(reader.valueStart, reader.valueEnd);
}

function asBuffers({ key, value }: RecordHeader): { key: string; value: Buffer | null } {
  return {
    key: Buffer.from(key, "utf8").toString("utf8"),
    value: value === null ? null : Buffer.from(value),
  };
}
