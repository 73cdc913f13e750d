import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { avroWriter } from "../../schemas/formats/avro/avro-format.ts";
import { type FormatSpec, layoutOf } from "../../schemas/formats/formats.ts";
import { avro, decoder, json, protobuf } from "../../schemas/formats/kinds.ts";
import { types } from "../../schemas/formats/types.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { openConfluentRegistry } from "./confluent.ts";
import { registeredSchema } from "./registered-schema.ts";
import { json as answer, startRegistryServer } from "./registry-server-fixture.ts";
import { sourceDecoder } from "./source-codec.ts";

const reading: AvroSchema = {
  type: "record",
  name: "Reading",
  fields: [{ name: "id", type: "long" }],
};
const proto = 'syntax = "proto3"; message Other {} message Reading { int64 id = 1; }';
const guid = "01234567-89ab-cdef-0123-456789abcdef";
const guidBytes = Buffer.from(`01${guid.replaceAll("-", "")}`, "hex");
const path = `/schemas/guids/${guid}`;
const onSubject = "/subjects/readings-value?deleted=true";

function avroBytes(id: number): Buffer {
  const writer = new ByteWriter();
  avroWriter(reading).write({ id }, writer);
  return writer.take();
}

/** The record as a consumer has it. */
function record(
  value: Buffer,
  headers: readonly (readonly [string, Buffer | null])[],
): RecordReader {
  const builder = new RecordBatchBuilder();
  const given = headers.map(([key, each]) => ({ key, value: each }));
  builder.append(null, value, 5, given);
  const reader = new RecordReader();
  const { encoded: records } = builder.build();
  reader.open(
    { topic: "readings", partition: 0, offset: 0, records, aborted: [], highWatermark: 1 } as never,
    "read_committed",
  );
  assert.ok(reader.next());
  return reader;
}

async function setUp(format: FormatSpec) {
  const server = await startRegistryServer();
  const registry = openConfluentRegistry({ url: server.url });
  const decoder = sourceDecoder(registry, { topic: "readings", format });
  const decode = (reader: RecordReader) =>
    decoder.decode(reader.buffer, reader.valueStart, reader.valueEnd, reader);
  const read = async (reader: RecordReader) => {
    let decoded = decode(reader);
    if (decoded.kind === "need-schema") {
      await decoder.resolve(decoded.id);
      decoded = decode(reader);
    }
    if (decoded.kind === "value") return { ...decoded.value };
    return decoded.kind === "failed" ? decoded.code : decoded.kind;
  };
  const close = async () => {
    await registry.close();
    await server.close();
  };
  return { server, read, close };
}

test("a header names the schema of a value by its GUID, also among others; of several the last", async () => {
  const { server, read, close } = await setUp(avro(reading));
  server.instead.set(path, answer(200, { schema: JSON.stringify(reading), guid }));
  server.instead.set(onSubject, answer(200, { subject: "readings-value", id: 7 }));
  const header = ["__value_schema_id", guidBytes] as const;
  const trace = ["traceparent", Buffer.from("00-aa")] as const;
  const nulls = ["a", null] as const;
  assert.deepEqual(await read(record(avroBytes(9), [header])), { id: 9 });
  assert.deepEqual(await read(record(avroBytes(8), [trace, nulls, header, trace])), { id: 8 });
  const other = ["__value_schema_id", Buffer.from("0100", "hex")] as const;
  assert.deepEqual(await read(record(avroBytes(7), [other, header])), { id: 7 });
  assert.equal(await read(record(avroBytes(7), [trace])), "MALFORMED_AVRO");
  assert.equal(server.asked.get(path), 1);
  await close();
});

test("in front of a value a GUID is as good as in a header", async () => {
  const { server, read, close } = await setUp(avro(reading));
  server.instead.set(path, answer(200, { schema: JSON.stringify(reading), guid }));
  server.instead.set(onSubject, answer(200, { id: 7 }));
  const value = Buffer.concat([guidBytes, avroBytes(6)]);
  assert.deepEqual(await read(record(value, [])), { id: 6 });
  await close();
});

test("a GUID of another subject, of no schema or of no registry is unknown, and no reason to wait", async () => {
  const header = ["__value_schema_id", guidBytes] as const;
  for (const found of [true, false]) {
    const { server, read, close } = await setUp(avro(reading));
    if (found) server.instead.set(path, answer(200, { schema: JSON.stringify(reading) }));
    const noPath = (response: { writeHead(s: number): unknown; end(text: string): unknown }) => {
      response.writeHead(404);
      response.end("<html>");
    };
    if (!found) server.instead.set(path, noPath as never);
    server.instead.set(onSubject, answer(404, { error_code: 40403, message: "not found" }));
    assert.equal(await read(record(avroBytes(1), [header])), "UNKNOWN_SCHEMA");
    await close();
  }
});

test("Protobuf's message indexes stand behind the GUID in the header; JSON needs no schema", async () => {
  const format = protobuf<{ id: number }>({ message: "Reading", proto });
  const { server, read, close } = await setUp(format);
  const schema = { schema: proto, schemaType: "PROTOBUF" };
  server.instead.set(path, answer(200, schema));
  server.instead.set(onSubject, answer(200, { id: 7 }));
  const indexed = (...indexes: number[]) =>
    ["__value_schema_id", Buffer.concat([guidBytes, Buffer.from(indexes)])] as const;
  const value = Buffer.from([0x08, 5]);
  assert.deepEqual(await read(record(value, [indexed(2, 2)])), { id: 5 });
  assert.equal(await read(record(value, [indexed(0)])), "MALFORMED_PROTOBUF");
  assert.equal(await read(record(value, [indexed()])), "MALFORMED_PROTOBUF");
  await close();
  const plain = await setUp(json({ id: types.integer() }));
  assert.deepEqual(await plain.read(record(Buffer.from('{"id":3}'), [indexed()])), { id: 3 });
  await plain.close();
});

test("a schema of the registry is whole, and what is not there is told", async () => {
  const server = await startRegistryServer();
  const { url } = server;
  const money = { type: "record", name: "Money", fields: [{ name: "cents", type: "long" }] };
  const paid = { type: "record", name: "Paid", fields: [{ name: "money", type: "Money" }] };
  const references = [{ name: "Money", subject: "money", version: 1 }];
  server.instead.set("/subjects/paid-value/versions/2", answer(200, { id: 9, schema: "{}" }));
  const whole = { schema: JSON.stringify(paid), references };
  server.instead.set("/schemas/ids/9", answer(200, whole));
  const named = { id: 8, schema: JSON.stringify(money) };
  server.instead.set("/subjects/money/versions/1", answer(200, named));
  const schema = await registeredSchema<{ money: { cents: number } }>("paid-value", {
    url,
    version: 2,
  });
  const fields = layoutOf(avro(schema)).fields.map(({ name }) => name);
  assert.deepEqual(fields, ["money.cents"]);
  await assert.rejects(registeredSchema("other-value", { url }), {
    code: "REGISTERED_SCHEMA_MISSING",
  });
  await server.registry.register("readings-value", reading);
  const newest = await registeredSchema("readings-value", { url });
  assert.equal(newest.name, "Reading");
  await server.close();
});

test("a decoder of one's own is given all of a value, and any header", async () => {
  const given: string[] = [];
  const format = decoder({
    ...{ name: "raw", version: 1, fields: { n: types.integer() } },
    decode: (bytes) => ({ n: given.push(Buffer.from(bytes).toString("hex")) }),
  });
  const { read, close } = await setUp(format);
  const values = [Buffer.alloc(20, 0), Buffer.concat([guidBytes, Buffer.from([9])])];
  for (const value of values) await read(record(value, [["__value_schema_id", guidBytes]]));
  assert.deepEqual(
    given,
    values.map((value) => value.toString("hex")),
  );
  await close();
});
