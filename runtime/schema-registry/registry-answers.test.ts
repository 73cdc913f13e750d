import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ByteWriter } from "../../schemas/bytes.ts";
import { avro, wholeAvro } from "../../schemas/formats/avro/avro-format.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import type { SubjectNaming } from "../../schemas/subjects.ts";
import { AvroDecoder, AvroEncoder } from "./avro-codec.ts";
import { openConfluentRegistry } from "./confluent.ts";
import { RecordDecoder } from "./record-decoder.ts";
import { type Answer, json, startRegistryServer } from "./registry-server-fixture.ts";
import { sourceDecoder } from "./source-codec.ts";

const schema: AvroSchema = {
  type: "record",
  name: "Reading",
  fields: [{ name: "value", type: "double" }],
};
const server = await startRegistryServer();
const registry = openConfluentRegistry({ url: `${server.url}/`, retries: 1, timeoutMs: 300 });
after(async () => {
  await registry.close();
  await server.close();
});

function text(status: number, type: string, body: string): Answer {
  return (response) => response.writeHead(status, { "content-type": type }).end(body);
}

const html = "<html><body>Sign in</body></html>";
/** A whole answer of which the half is sent, and then nothing, or the end of the connection. */
const half = (ends: boolean): Answer => {
  return (response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": 1_000 });
    response.write('{"schema": "');
    if (ends) setImmediate(() => response.destroy());
  };
};

const staysWrong: Readonly<Record<string, Answer>> = {
  400: json(400, { message: "bad" }),
  "403": json(403, { error_code: 40301, message: "forbidden" }),
  "403 of null": json(403, null),
  "403 without a body": (response) => response.writeHead(403).end(),
  "403 as HTML": text(403, "text/html", html),
  405: json(405, {}),
  410: json(410, {}),
  422: json(422, { error_code: 42201, message: "no schema" }),
  451: json(451, {}),
};

const passes: Readonly<Record<string, Answer>> = {
  "401": json(401, { message: "who?" }),
  "404 as HTML": text(404, "text/html", html),
  "408": json(408, {}),
  "429": json(429, { message: "slowly" }),
  "500": json(500, { message: "ill" }),
  "503 of null": json(503, null),
  "JSON that is none": text(200, "application/json", '{"schema": "'),
  "HTML with 200": text(200, "text/html", html),
  "204": (response) => response.writeHead(204).end(),
  "a redirect": (response) => response.writeHead(302, { location: "/login" }).end(),
  "{}": json(200, {}),
  null: json(200, null),
  "a schema that is no text": json(200, { schema: 5 }),
  "half a body": half(true),
  "half a body, and silence": half(false),
  "no answer": () => {},
  "the end of the connection": (response) => void response.destroy(),
  "an answer without end": (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(1 << 20, 0x20)));
    };
    response.on("drain", more);
    more();
  },
};

let ids = 1_000;

/** A decoder, and a value that names an id which the server answers in some way. */
function asking(answer: Answer) {
  const id = ids++;
  const path = `/schemas/ids/${id}`;
  server.instead.set(path, answer);
  const writer = new ByteWriter();
  new AvroEncoder(schema, id).encode({ value: 1.5 }, writer);
  const bytes = writer.take();
  const decoder = new AvroDecoder(registry, schema);
  return { id, path, decoder, decode: () => decoder.decode(bytes, 0, bytes.length) };
}

for (const [name, answer] of Object.entries(staysWrong)) {
  test(`${name}: the record is a dead letter, for the answer will stay the same`, async () => {
    const { id, decoder, decode } = asking(answer);
    assert.equal(decode().kind, "need-schema");
    await decoder.resolve(id);
    const outcome = decode();
    assert.ok(outcome.kind === "failed");
    assert.equal(outcome.code, "UNKNOWN_SCHEMA");
  });
}

for (const [name, answer] of Object.entries(passes)) {
  test(`${name}: the record waits, and is read once the registry answers`, async () => {
    const { id, path, decoder, decode } = asking(answer);
    assert.equal(decode().kind, "need-schema");
    await assert.rejects(decoder.resolve(id), { name: "MillraceError" });
    assert.equal(decode().kind, "need-schema");
    server.instead.set(path, json(200, { schema: JSON.stringify(schema) }));
    await decoder.resolve(id);
    const outcome = decode();
    assert.ok(outcome.kind === "value");
    assert.deepEqual({ ...outcome.value }, { value: 1.5 });
  });
}

test("a slow answer is waited for as long as the limit says", async () => {
  const { id, decoder, decode } = asking((response) => {
    setTimeout(() => json(200, { schema: JSON.stringify(schema) })(response), 100);
  });
  await decoder.resolve(id);
  assert.equal(decode().kind, "value");
});

test("an id that is unknown is asked for again after a while, and read once it is registered", async () => {
  const { id, path, decode } = asking(json(404, { error_code: 40403, message: "none" }));
  assert.equal(decode().kind, "need-schema");
  const patient = new RecordDecoder(registry, wholeAvro(schema), { askAgainMs: 3_600_000 });
  const eager = new RecordDecoder(registry, wholeAvro(schema), { askAgainMs: -1 });
  const bytes = Buffer.alloc(13);
  bytes.writeInt32BE(id, 1);
  const decodes = () => [patient, eager].map((each) => each.decode(bytes, 0, bytes.length).kind);
  for (const each of [patient, eager]) await each.resolve(id);
  assert.deepEqual(decodes(), ["failed", "need-schema"]);
  server.instead.set(path, json(200, { schema: JSON.stringify(schema) }));
  await eager.resolve(id);
  assert.deepEqual(decodes(), ["failed", "value"]);
});

test("the id of a schema of another language is named as such", async () => {
  for (const schemaType of ["JSON", "PROTOBUF"]) {
    const { id, decoder, decode } = asking(json(200, { schemaType, schema: "{}" }));
    await decoder.resolve(id);
    const outcome = decode();
    assert.ok(outcome.kind === "failed");
    assert.match(outcome.reason, new RegExp(`schema ${id} .*${schemaType} schema, not Avro`));
  }
});

test("only ids of the topic's own subject are read, unless its source says otherwise", async () => {
  const own = await registry.register("readings-value", schema);
  const record = { ...schema, doc: "under its own name" };
  const named = await registry.register("Reading", record);
  const both = await registry.register("readings-Reading", { ...schema, doc: "under both" });
  const foreign = await registry.register("others-value", { ...schema, doc: "of another topic" });
  const format = avro(recordSchema<{ readonly value: number }>(schema));
  const readBy = async (subjects: SubjectNaming) => {
    const decoder = sourceDecoder(registry, { topic: "readings", format, subjects });
    const outcomes: string[] = [];
    for (const id of [own, named, both, foreign]) {
      const writer = new ByteWriter();
      new AvroEncoder(schema, id).encode({ value: 1.5 }, writer);
      await decoder.resolve(id);
      const decoded = decoder.decode(writer.take(), 0, writer.position);
      outcomes.push(decoded.kind === "failed" ? decoded.code : decoded.kind);
    }
    return outcomes.map((each) => each === "value");
  };
  assert.deepEqual(await readBy("topic"), [true, false, false, false]);
  assert.deepEqual(await readBy("record"), [false, true, false, false]);
  assert.deepEqual(await readBy("topic-record"), [false, false, true, false]);
  assert.deepEqual(await readBy("any"), [true, true, true, true]);
});

test("an id of another subject is named, with the subject that it would have to be of", async () => {
  const foreign = await registry.register("others-value", { ...schema, doc: "of another topic" });
  const decoder = sourceDecoder(registry, {
    topic: "readings",
    format: avro(recordSchema(schema)),
  });
  const writer = new ByteWriter();
  new AvroEncoder(schema, foreign).encode({ value: 1.5 }, writer);
  await decoder.resolve(foreign);
  const decoded = decoder.decode(writer.take(), 0, writer.position);
  assert.ok(decoded.kind === "failed");
  assert.match(decoded.reason, new RegExp(`no schema ${foreign} of the subject readings-value`));
});

test("a refusal to register says what was answered, whatever that was, and ends no process", async () => {
  const path = "/subjects/refused-value/versions";
  for (const [answer, code] of [
    [json(403, null), "REGISTRY_LOGIN"],
    [json(422, { message: "no" }), "REGISTRY_REFUSED"],
    [json(200, null), "REGISTRY_UNAVAILABLE"],
    [text(200, "text/html", html), "REGISTRY_UNAVAILABLE"],
  ] as const) {
    server.instead.set(path, answer);
    await assert.rejects(registry.register("refused-value", schema), { code });
  }
});

const failures: Readonly<Record<string, Answer>> = {
  "a failure on the registry's side": json(503, null),
  "the end of the connection": (response) => void response.destroy(),
  "half an answer": half(true),
};

for (const [name, failure] of Object.entries(failures)) {
  test(`${name}: a subject is registered and its rule set by the next try`, async () => {
    const subject = `tried-${ids++}-value`;
    const [rule, versions] = [`/config/${subject}`, `/subjects/${subject}/versions`];
    const noRule = json(404, { error_code: 40408, message: "no rule of its own" });
    const isSet = json(200, { compatibility: "BACKWARD" });
    inTurn(rule, [failure, noRule, failure, isSet]);
    inTurn(versions, [failure]);
    const id = await registry.register(subject, schema);
    assert.deepEqual([server.asked.get(rule), server.asked.get(versions)], [4, 2]);
    assert.equal(await registry.register(subject, schema), id);
  });
}

/** Those answers, one a request; after them what the registry says. */
function inTurn(path: string, answers: readonly Answer[]): void {
  const left = [...answers];
  server.instead.set(path, (response) => {
    left.shift()?.(response);
    if (left.length === 0) server.instead.delete(path);
  });
}
