import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { packageRoot } from "../../schemas/package-root.ts";
import { inflateRecords } from "./codec.ts";
import { layout } from "./layout.ts";
import { RecordReader } from "./reader.ts";
import { unpackZstdHere } from "./zstd.ts";

/** By who packed it: a batch as a Kafka 4.3 gave it back, 12 records or 600 (Java). */
const batches = JSON.parse(
  readFileSync(join(packageRoot(), "broker", "record-batch", "packed-batches.json"), "utf8"),
) as Readonly<Record<string, string>>;

const hex = (byte: number) => byte.toString(16).padStart(2, "0");

const lines = [
  '{"paymentId":"p-0001","card":"c-1","amount":12.5,"country":"NZ"}',
  '{"paymentId":"p-0002","card":"c-2","amount":7.25,"country":"NZ"}',
  '{"paymentId":"p-0003","card":"c-1","amount":12.5,"country":"DE"}',
];

function packedIn(batch: Buffer): { codec: number; packed: Buffer } {
  return {
    codec: batch.readInt16BE(layout.attributes) & 7,
    packed: batch.subarray(layout.records),
  };
}

test("batches of librdkafka's and of Java's producer are read, whatever they are packed with", () => {
  assert.equal(Object.keys(batches).length, 8);
  for (const [name, base64] of Object.entries(batches)) {
    const records = Buffer.from(base64, "base64");
    const reader = new RecordReader({ checkCrc: true });
    const place = { topic: name, partition: 0, offset: 0, highWatermark: 1_000 };
    const rest = { logStartOffset: 0, lastStableOffset: 1_000, aborted: [] };
    reader.open({ ...place, ...rest, records }, "read_committed");
    let count = 0;
    while (reader.next()) {
      const value = reader.buffer.toString("utf8", reader.valueStart, reader.valueEnd);
      assert.equal(value, lines[count++ % lines.length], name);
    }
    assert.equal(count, name.startsWith("java") ? 600 : 12, name);
  }
});

test("what unpacks to more than the limit is refused", () => {
  for (const [name, base64] of Object.entries(batches)) {
    const { codec, packed } = packedIn(Buffer.from(base64, "base64"));
    const whole = inflateRecords(codec, packed);
    assert.deepEqual(inflateRecords(codec, packed, whole.length), whole, name);
    assert.throws(() => inflateRecords(codec, packed, whole.length - 1), Error, name);
  }
  const bomb = gzipSync(Buffer.alloc(1_000_000));
  assert.throws(() => inflateRecords(1, bomb, 500_000), /larger than 500000/);
  // 2^31 bytes in 6.
  const claim = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x08, 0x00, 0x61]);
  assert.throws(() => inflateRecords(2, claim), /shorter than it says/);
});

test("zstd is read where Node has none, and a frame that would take all memory is not", () => {
  const { packed } = packedIn(Buffer.from(batches["java zstd"] ?? "", "base64"));
  assert.deepEqual(unpackZstdHere(packed, 1 << 20), inflateRecords(4, packed));
  const large = Buffer.from(packed);
  large[4] = 0;
  large[5] = 0xf8;
  assert.throws(() => unpackZstdHere(large, 1 << 20), /window is too large/);
});

test("zstd is held to a window by all frames of it, whatever stands between them", () => {
  const frame = (window: number) => Buffer.from(`28b52ffd00${hex(window)}09000041`, "hex");
  const skipped = Buffer.from("532a4d180300000028b52f", "hex");
  const repeated = Buffer.from("28b52ffd0000" + "530000" + "42", "hex");
  const small = [frame(0), skipped, repeated, frame(8)];
  assert.equal(String(unpackZstdHere(Buffer.concat(small), 1 << 20)), `A${"B".repeat(10)}A`);
  const first = Buffer.from(batches["java zstd"] ?? "", "base64");
  for (const before of [[frame(0)], [skipped], [packedIn(first).packed], [repeated, skipped]]) {
    const large = Buffer.concat([...before, frame(0xf8)]);
    assert.throws(() => unpackZstdHere(large, 1 << 20), /window is too large/);
  }
  const many = Buffer.concat(Array.from({ length: 40 }, () => frame(12 << 3)));
  assert.throws(() => unpackZstdHere(many, 1 << 20), /window is too large/);
});

test("a codec that Kafka has not is named, and damaged bytes never end in anything but an error", () => {
  assert.throws(() => inflateRecords(5, Buffer.alloc(4)), { code: "RECORD_BATCH_UNSUPPORTED" });
  const packs = Object.values(batches).map((base64) => packedIn(Buffer.from(base64, "base64")));
  const damages = fc.tuple(fc.constantFrom(...packs), fc.nat(4_000), fc.nat(255), fc.nat(4_000));
  fc.assert(
    fc.property(damages, ([{ codec, packed }, at, byte, cut]) => {
      const damaged = Buffer.from(packed.subarray(0, cut === 0 ? packed.length : cut));
      if (at < damaged.length) damaged[at] = byte;
      try {
        assert.ok(inflateRecords(codec, damaged, 1 << 20).length <= 1 << 20);
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof assert.AssertionError));
      }
    }),
    { numRuns: 300 },
  );
});
