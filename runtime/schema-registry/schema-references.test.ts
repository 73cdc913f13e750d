import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ByteWriter } from "../../schemas/bytes.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { AvroDecoder, AvroEncoder } from "./avro-codec.ts";
import { openConfluentRegistry } from "./confluent.ts";
import { json, startRegistryServer } from "./registry-server-fixture.ts";

const server = await startRegistryServer();
const registry = openConfluentRegistry({ url: server.url, retries: 0, timeoutMs: 2_000 });
after(async () => {
  await registry.close();
  await server.close();
});

const field = (name: string, type: unknown) => ({ name, type });
const country = { type: "enum", name: "geo.Country", symbols: ["NZ", "DE"] };
const money = { type: "record", name: "Money", fields: [field("cents", "long")] };
const party = (of: unknown) => ({
  type: "record",
  name: "Party",
  fields: [field("name", "string"), field("country", of), field("spent", "Money")],
});
const payment = (fields: readonly unknown[]): AvroSchema =>
  ({ type: "record", name: "Payment", fields }) as AvroSchema;
/** As it is written: each of the others stands where it is first named. */
const whole = payment([
  field("amount", money),
  field("from", party(country)),
  field("unread", ["null", { type: "array", items: "geo.Country" }]),
  field("to", "Party"),
]);
/** As the registry keeps it: by their names alone. */
const named = payment([
  field("amount", "Money"),
  field("from", "Party"),
  field("unread", ["null", { type: "array", items: "geo.Country" }]),
  field("to", "Party"),
]);
const reader = payment([
  field("amount", { ...money, fields: [field("cents", "double")] }),
  field("to", { type: "record", name: "Party", fields: [field("name", "string")] }),
]);
const value = {
  amount: { cents: 995 },
  from: { name: "a", country: "NZ", spent: { cents: 1 } },
  unread: ["DE", "NZ"],
  to: { name: "b", country: "DE", spent: { cents: 2 } },
};

const reference = (name: string, subject: string, version = 1) => ({ name, subject, version });
const answer = (schema: unknown, references: readonly unknown[] = []) =>
  json(200, { id: 1, schema: JSON.stringify(schema), references });

/** A value under an id whose schema has these references, and who decodes it. */
function asking(id: number, references: readonly unknown[]) {
  server.instead.set(`/schemas/ids/${id}`, answer(named, references));
  const out = new ByteWriter();
  new AvroEncoder(whole, id).encode(value, out);
  const bytes = out.take();
  const decoder = new AvroDecoder(registry, reader);
  return { decoder, decode: () => decoder.decode(bytes, 0, bytes.length) };
}

const ofPayment = [reference("Money", "money", 3), reference("Party", "party")];
server.instead.set("/subjects/money/versions/3", answer(money));
server.instead.set("/subjects/country/versions/7", answer(country));
server.instead.set(
  "/subjects/party/versions/1",
  answer(party("geo.Country"), [
    reference("geo.Country", "country", 7),
    reference("Money", "money", 3),
  ]),
);

test("a schema that names others is read with them, and each is asked for once", async () => {
  const { decoder, decode } = asking(1, ofPayment);
  assert.equal(decode().kind, "need-schema");
  await decoder.resolve(1);
  const outcome = decode();
  assert.ok(outcome.kind === "value");
  assert.deepEqual(JSON.parse(JSON.stringify(outcome.value)), {
    amount: { cents: 995 },
    to: { name: "b" },
  });
  for (const each of ["money/versions/3", "party/versions/1", "country/versions/7"]) {
    assert.equal(server.asked.get(`/subjects/${each}`), 1, each);
  }
});

test("a schema whose references are not there is a dead letter that names what is missing", async () => {
  const { decoder, decode } = asking(2, [reference("Money", "money", 3)]);
  await decoder.resolve(2);
  const outcome = decode();
  assert.ok(outcome.kind === "failed");
  assert.match(outcome.reason, /Party/);
  const gone = asking(3, [...ofPayment.slice(0, 1), reference("Party", "gone")]);
  await gone.decoder.resolve(3);
  assert.equal(gone.decode().kind, "failed");
});

test("a record waits while what its schema names cannot be asked for", async () => {
  const path = "/subjects/slow/versions/1";
  server.instead.set(path, json(503, { message: "ill" }));
  const { decoder, decode } = asking(4, [reference("Money", "money", 3), reference("P", "slow")]);
  await assert.rejects(decoder.resolve(4), { code: "REGISTRY_UNAVAILABLE" });
  assert.equal(decode().kind, "need-schema");
  server.instead.set(path, answer(party("geo.Country"), [reference("geo.Country", "country", 7)]));
  await decoder.resolve(4);
  assert.equal(decode().kind, "value");
});

test("schemas that name each other in a ring end, and are a dead letter", async () => {
  server.instead.set(
    "/subjects/ring/versions/1",
    answer(party("geo.Country"), [reference("Ring", "ring")]),
  );
  const { decoder, decode } = asking(5, [reference("Party", "ring")]);
  await decoder.resolve(5);
  assert.equal(decode().kind, "failed");
});
