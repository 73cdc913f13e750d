import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../schemas/bytes.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { departure } from "../../topologies/flights/generated.ts";
import { AvroDecoder, AvroEncoder } from "./avro-codec.ts";
import { createMemoryRegistry } from "./embedded.ts";

const sample = {
  flightId: 12,
  departedAt: 978_307_260_000,
  origin: "ORD",
  destination: "JFK",
  distanceMiles: 740,
  localHour: 18,
  localWeekday: 7,
};

async function encoded(): Promise<{ decoder: AvroDecoder; bytes: Buffer; id: number }> {
  const registry = createMemoryRegistry();
  const id = await registry.register("departures-value", departure);
  const writer = new ByteWriter(1);
  new AvroEncoder(departure, id).encode(sample, writer);
  const decoder = new AvroDecoder(registry, departure);
  await decoder.resolve(id);
  return { decoder, bytes: writer.take(), id };
}

test("a value comes back as it was, from the middle of a larger buffer", async () => {
  const { decoder, bytes } = await encoded();
  const around = Buffer.concat([Buffer.alloc(3, 9), bytes, Buffer.alloc(5, 9)]);
  const decoded = decoder.decode(around, 3, 3 + bytes.length);
  assert.ok(decoded.kind === "value");
  assert.deepEqual({ ...decoded.value }, sample);
});

test("a cut, lengthened or damaged value is malformed and never throws", async () => {
  const { decoder, bytes } = await encoded();
  for (let end = 5; end < bytes.length; end++) {
    assert.equal(decoder.decode(bytes, 0, end).kind, "failed", `cut at ${end}`);
  }
  const longer = Buffer.concat([bytes, Buffer.alloc(1)]);
  assert.equal(decoder.decode(longer, 0, longer.length).kind, "failed");
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 60 }), (noise) => {
      const value = Buffer.concat([bytes.subarray(0, 5), noise]);
      decoder.decode(value, 0, value.length);
      decoder.decode(Buffer.from(noise), 0, noise.length);
    }),
  );
});

test("an unknown schema id is asked for once, then known to be unknown", async () => {
  const { decoder, bytes } = await encoded();
  const other = Buffer.from(bytes);
  other.writeInt32BE(99, 1);
  assert.deepEqual(decoder.decode(other, 0, other.length), { kind: "need-schema", id: 99 });
  await decoder.resolve(99);
  const decoded = decoder.decode(other, 0, other.length);
  assert.ok(decoded.kind === "failed" && decoded.code === "UNKNOWN_SCHEMA");
});

test("a damaged count of items is malformed and builds no billions of them", async () => {
  const schema: AvroSchema = {
    type: "record",
    name: "Nested",
    fields: [
      { name: "numbers", type: { type: "array", items: "long" } },
      { name: "names", type: ["null", { type: "map", values: "string" }] },
      { name: "nothings", type: { type: "array", items: "null" } },
    ],
  };
  const registry = createMemoryRegistry();
  const id = await registry.register("nested-value", schema);
  const decoder = new AvroDecoder(registry, schema);
  await decoder.resolve(id);
  const writer = new ByteWriter();
  const value = { numbers: [1, -2, 2 ** 40], names: { a: "b" }, nothings: [] };
  new AvroEncoder(schema, id).encode(value, writer);
  const bytes = writer.take();
  const decoded = decoder.decode(bytes, 0, bytes.length);
  assert.ok(decoded.kind === "value");
  assert.deepEqual({ ...decoded.value }, value);
  const header = bytes.subarray(0, 5);
  // 4,294,967,294 items: in an array of longs, in a map, in an array of nulls.
  const huge = [0xfc, 0xff, 0xff, 0xff, 0x1f];
  for (const body of [huge, [0, 2, ...huge], [0, 0, ...huge]]) {
    const damaged = Buffer.concat([header, Buffer.from([...body, 0, 0, 0])]);
    assert.equal(decoder.decode(damaged, 0, damaged.length).kind, "failed");
  }
  fc.assert(
    fc.property(fc.nat(bytes.length - 6), fc.nat(255), (at, byte) => {
      const damaged = Buffer.from(bytes);
      damaged[at + 5] = byte;
      assert.notEqual(decoder.decode(damaged, 0, damaged.length).kind, "need-schema");
    }),
  );
});

test("a value that does not fit names the field and leaves the writer as it was", () => {
  const writer = new ByteWriter(1);
  writer.u8(7);
  const encoder = new AvroEncoder(departure, 1);
  assert.throws(() => encoder.encode({ ...sample, origin: 5 }, writer), {
    code: "VALUE_INVALID",
    message: /origin is 5, not string/,
  });
  assert.throws(() => encoder.encode({ flightId: 1 }, writer), {
    message: /departedAt is missing/,
  });
  assert.equal(writer.position, 1);
});
