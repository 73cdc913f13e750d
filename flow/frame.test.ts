import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bundleVersion, FrameReader, FrameWriter, frameLimitBytes, MarkerBundle } from "./frame.ts";

interface Payload {
  readonly knownAt: number;
  readonly bytes: Uint8Array;
}

function write(writer: FrameWriter, { knownAt, bytes }: Payload): void {
  writer.begin(knownAt).raw(bytes, 0, bytes.length);
  writer.end();
}

/** All payloads of frames, with what the headers say checked. */
function readAll(frames: readonly Buffer[], firstSequence: number, progress: number): Payload[] {
  const reader = new FrameReader();
  const payloads: Payload[] = [];
  for (const [i, frame] of frames.entries()) {
    reader.reset(frame);
    assert.equal(reader.input, 5);
    assert.equal(reader.writer, 300);
    assert.equal(reader.firstSequence, firstSequence + payloads.length);
    assert.equal(reader.progress, i === frames.length - 1 ? progress : Number.NEGATIVE_INFINITY);
    const before = payloads.length;
    while (reader.next()) {
      assert.equal(reader.sequence, firstSequence + payloads.length);
      const bytes = Uint8Array.from(reader.buffer.subarray(reader.start, reader.end));
      payloads.push({ knownAt: reader.knownAt, bytes });
    }
    assert.equal(payloads.length - before, reader.count);
    assert.ok(frame.length <= frameLimitBytes || reader.count === 1);
  }
  return payloads;
}

test("what is written in any number of commits is read back, numbered without gaps", () => {
  const payload = fc.record({
    knownAt: fc.integer({ min: 0, max: 10 }),
    bytes: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(fc.array(payload, { maxLength: 20 })), (commits) => {
      const writer = new FrameWriter(5, 300);
      let base = 0;
      for (const commit of commits) {
        const payloads = commit
          .map(({ knownAt, bytes }) => ({ knownAt: base + knownAt, bytes }))
          .sort((a, b) => a.knownAt - b.knownAt);
        const first = writer.nextSequence;
        for (const each of payloads) write(writer, each);
        assert.equal(writer.count, payloads.length);
        base += 10;
        assert.deepEqual(readAll(writer.take(base), first, base), payloads);
        assert.equal(writer.count, 0);
      }
    }),
  );
});

test("a commit beyond the frame limit is split, and only its last frame carries the progress", () => {
  const writer = new FrameWriter(5, 300);
  const sizes = [100_000, 100_000, 100_000, frameLimitBytes + 1, 10, 262_000, 200, 10];
  const payloads = sizes.map((size, i) => ({ knownAt: i, bytes: new Uint8Array(size).fill(i) }));
  for (const each of payloads) write(writer, each);
  const frames = writer.take(99);
  assert.deepEqual(readAll(frames, 1, 99), payloads);
  assert.equal(frames.length, 5);
});

test("a commit without payloads is a marker", () => {
  const [marker, ...more] = new FrameWriter(5, 300).take(7);
  assert.deepEqual(readAll([marker as Buffer], 1, 7), []);
  assert.equal(more.length, 0);
});

test("markers of many channels are one record, and a single one is a frame as it is", () => {
  const bundle = new MarkerBundle();
  assert.equal(bundle.take(), null);
  const markers = [0, 1, 2].map((writer) => new FrameWriter(5, writer).take(7)[0] as Buffer);
  for (const count of [1, 3, 1]) {
    for (const marker of markers.slice(0, count)) bundle.add(marker);
    const expected = Buffer.concat(markers.slice(0, count));
    const record = count === 1 ? expected : Buffer.concat([Buffer.of(bundleVersion), expected]);
    assert.deepEqual(bundle.take(), record);
  }
  // What takes it for a frame refuses it: a build from before there were bundles.
  for (const marker of markers) bundle.add(marker);
  assert.throws(() => new FrameReader().reset(bundle.take() as Buffer), RangeError);
});

test("a payload below the one before it, or below announced progress, is refused", () => {
  const writer = new FrameWriter(0, 0);
  write(writer, { knownAt: 5, bytes: new Uint8Array() });
  assert.throws(() => writer.begin(4), RangeError);
  writer.take(9);
  assert.throws(() => writer.begin(8), RangeError);
  writer.begin(9);
});

test("bytes that are no frame are refused", () => {
  const reader = new FrameReader();
  const writer = new FrameWriter(0, 0);
  write(writer, { knownAt: 5, bytes: new Uint8Array(10) });
  const frame = writer.take(9)[0] as Buffer;
  assert.throws(() => reader.reset(frame, 0, 20), RangeError);
  assert.throws(() => reader.reset(Buffer.from([2, ...frame.subarray(1)])), RangeError);
  reader.reset(frame, 0, frame.length - 1);
  assert.throws(() => reader.next(), RangeError);
});
