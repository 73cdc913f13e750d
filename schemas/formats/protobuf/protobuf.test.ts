import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import protobufjs from "protobufjs";
import { ByteWriter } from "../../bytes.ts";
import { formatText, layoutOf, openFormat, unitsOf } from "../formats.ts";
import { protobuf } from "../kinds.ts";

const proto = `
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "confluent/type/decimal.proto";
import "money.proto";

message Refund { string id = 1; message Line { int32 n = 1; } }
// What is read here.
message Payment {
  int64 id = 1;
  optional string card = 2;
  google.protobuf.Timestamp paid_at = 3;
  Customer customer = 4;
  Status status = 5;
  repeated sint64 deltas = 6;
  map<string, int32> labels = 7;
  oneof how { string cash = 8; fixed32 terminal = 9; }
  confluent.type.Decimal amount = 10;
  google.protobuf.Int64Value points = 11;
  bytes receipt = 12;
  uint64 serial = 13;
  double rate = 14;
  float share = 15;
  bool online = 16;
  sfixed64 balance = 17;
  repeated string tags = 18;
  repeated Customer others = 19;
  other.Money price = 20;
  Payment earlier = 21;

  message Customer {
    string name = 1;
    Address address = 2;
    message Address { string country = 1; optional int32 zip = 2; }
  }
  enum Status { UNKNOWN = 0; PAID = 1; DECLINED = 2; }
}`;

interface Payment {
  readonly id: number;
  readonly card: string | null;
  readonly paid_at: number | null;
  readonly customer: {
    readonly name: string;
    readonly address: { readonly country: string; readonly zip: number | null } | null;
  } | null;
  readonly status: "UNKNOWN" | "PAID" | "DECLINED";
}

const schema = { message: "shop.Payment", proto };
const spec = protobuf<Payment>(schema);
const plain = openFormat(spec).readerOf(null);

/** The oracle: the same schema through protobufjs, without what it cannot resolve. */
const root = new protobufjs.Root();
const timestamp = protobufjs.common.get("google/protobuf/timestamp.proto");
const wrappers = protobufjs.common.get("google/protobuf/wrappers.proto");
root.addJSON(timestamp?.nested ?? {});
root.addJSON(wrappers?.nested ?? {});
protobufjs.parse(
  'syntax = "proto3"; package confluent.type; message Decimal { bytes value = 1; int32 scale = 3; }',
  root,
);
protobufjs.parse(proto.replace("other.Money price = 20;", ""), root, { keepCase: true });
const oracle = root.lookupType("shop.Payment");

const longs = protobufjs.util.Long as unknown as {
  readonly fromString: (text: string, isUnsigned: boolean) => unknown;
};

function encoded(record: object): Buffer {
  return Buffer.from(oracle.encode(oracle.fromObject(record)).finish());
}

function read(bytes: Buffer, reader = plain) {
  const padded = Buffer.concat([Buffer.from("ab"), bytes, Buffer.from("cd")]);
  return reader(padded, 2, 2 + bytes.length);
}

test("fields go by their paths, what may be missing is null, what has no type is left out", () => {
  assert.deepEqual(
    layoutOf(spec).fields.map(({ name, type, nullable }) => [name, type, nullable]),
    [
      ["id", "integer", false],
      ["card", "text", true],
      ["paid_at", "timestamp", true],
      ["customer.name", "text", true],
      ["customer.address.country", "text", true],
      ["customer.address.zip", "integer", true],
      ["status", "text", false],
      ["deltas", { list: "integer" }, false],
      ["cash", "text", true],
      ["terminal", "integer", true],
      ["amount", "number", true],
      ["points", "integer", true],
      ["receipt", "text", false],
      ["serial", "integer", false],
      ["rate", "number", false],
      ["share", "number", false],
      ["online", "boolean", false],
      ["balance", "integer", false],
      ["tags", { list: "text" }, false],
    ],
  );
  assert.deepEqual(unitsOf(spec), new Map());
});

test("a text names all that decides how a record is read, and no comment", () => {
  const { heading, lines } = formatText(spec);
  assert.equal(heading, "protobuf shop.Payment");
  assert.deepEqual(lines.slice(0, 8), [
    "id = 1: int64",
    "card = 2: string or null",
    "paid_at = 3: timestamp or null",
    "customer.name = 4.1: string or null",
    "customer.address.country = 4.2.1: string or null",
    "customer.address.zip = 4.2.2: int32 or null",
    "status = 5: one of UNKNOWN = 0 | PAID = 1 | DECLINED = 2",
    "deltas = 6: list of sint64",
  ]);
});

test("an empty message has the defaults of its fields, and null where presence is told", () => {
  const record = read(Buffer.alloc(0));
  assert.deepEqual(
    [record["id"], record["status"], record["receipt"], record["deltas"], record["online"]],
    [0, "UNKNOWN", "", [], false],
  );
  for (const name of ["card", "paid_at", "amount", "points", "cash", "customer.name"]) {
    assert.equal(record[name], null, name);
  }
  // A message within the message is there, its fields are not.
  const empty = read(encoded({ customer: {} }));
  assert.deepEqual([empty["customer.name"], empty["customer.address.country"]], ["", null]);
});

test("whatever protobufjs writes is read alike, to the last bit of 64", () => {
  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const records = fc.record({
    id: int64,
    card: fc.option(fc.string({ unit: "grapheme" })),
    deltas: fc.array(int64, { maxLength: 5 }),
    serial: uint64,
    balance: int64,
    terminal: fc.option(fc.integer({ min: 0, max: 2 ** 32 - 1 })),
    points: fc.option(int64),
    rate: fc.double({ noNaN: true }),
    online: fc.boolean(),
    status: fc.constantFrom("UNKNOWN", "PAID", "DECLINED"),
    tags: fc.array(fc.string(), { maxLength: 4 }),
    zip: fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    seconds: fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }),
    nanos: fc.integer({ min: 0, max: 999_999_999 }),
    receipt: fc.uint8Array({ maxLength: 9 }),
  });
  const long = (value: bigint) => longs.fromString(String(value), value >= 2n ** 63n);
  const exact = (value: bigint) => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
  fc.assert(
    fc.property(records, (given) => {
      const { zip, seconds, nanos, points, card, terminal, receipt, ...rest } = given;
      const bytes = encoded({
        ...rest,
        id: long(given.id),
        deltas: given.deltas.map(long),
        serial: long(given.serial),
        balance: long(given.balance),
        ...(card !== null && { card }),
        ...(terminal !== null && { terminal }),
        ...(points !== null && { points: { value: long(points) } }),
        receipt,
        paid_at: { seconds, nanos },
        customer: { name: "n", address: { country: "NZ", ...(zip !== null && { zip }) } },
        labels: { a: 1 },
        others: [{ name: "o" }],
        earlier: { id: 5, customer: { name: "earlier" } },
      });
      const record = read(bytes);
      assert.deepEqual(
        { ...record },
        {
          ...rest,
          id: exact(given.id),
          deltas: given.deltas.map(exact),
          serial: exact(given.serial),
          balance: exact(given.balance),
          card,
          terminal,
          points: points === null ? null : exact(points),
          receipt: Buffer.from(receipt).toString("base64"),
          paid_at: seconds * 1_000 + Math.floor(nanos / 1e6),
          "customer.name": "n",
          "customer.address.country": "NZ",
          "customer.address.zip": zip,
          cash: null,
          amount: null,
          share: 0,
        },
      );
    }),
  );
});

test("a record that is written comes back as it was", () => {
  const writer = new ByteWriter();
  const record = {
    id: -(2n ** 63n),
    card: "c",
    paid_at: -1,
    customer: { name: "", address: { country: "NZ", zip: -7 } },
    status: "PAID",
    deltas: [-3, 2n ** 62n],
    terminal: 9,
    amount: -12.345,
    points: 0,
    receipt: "AAE=",
    serial: 2n ** 64n - 1n,
    rate: 0.1,
    share: 0.5,
    online: true,
    balance: -5,
    tags: ["a", ""],
  };
  const { write } = protobuf.format.writer(spec);
  write(record, writer);
  const { customer, ...rest } = record;
  assert.deepEqual(read(writer.take()), {
    ...rest,
    "customer.name": "",
    "customer.address.country": customer.address.country,
    "customer.address.zip": -7,
    cash: null,
  });
  assert.throws(() => write({ id: 1.5 }, writer), /id is 1.5, not int64/);
  assert.throws(() => write({ status: "LOST" }, writer), /status is LOST, not shop.Payment.Status/);
});

test("a required field is never null: without it a record is none", () => {
  const asked = protobuf<Payment, "paid_at" | "customer.address.country">(schema, {
    required: ["paid_at", "customer.address.country"],
  });
  const nullable = layoutOf(asked).fields.filter((field) => field.nullable);
  const names = new Set(nullable.map(({ name }) => name));
  assert.ok(!names.has("paid_at") && !names.has("customer.address.country"));
  assert.ok(!names.has("customer.name") && names.has("customer.address.zip"));
  const reader = openFormat(asked).readerOf(null);
  const paid = { paid_at: { seconds: 7 } };
  assert.throws(() => read(encoded(paid), reader), { message: 'field "customer" is missing' });
  const within = { ...paid, customer: { name: "n" } };
  assert.throws(() => read(encoded(within), reader), /"customer.address" is missing/);
  const whole = { ...paid, customer: { address: {} } };
  assert.equal(read(encoded(whole), reader)["customer.address.country"], "");
  const unknown = { required: ["paidAt" as "paid_at"] };
  assert.throws(
    () => layoutOf(protobuf<Payment, "paid_at">(schema, unknown)),
    /"paidAt" is no field/,
  );
});

function framed(path: readonly number[], message: Buffer): Buffer {
  const zigzag = (value: number) => value * 2;
  const indexes = path.length === 0 ? [0] : [path.length, ...path].map(zigzag);
  return Buffer.concat([Buffer.from(indexes), message]);
}

const writer = (text: string, references: readonly string[] = []) =>
  openFormat(spec).readerOf({ type: "PROTOBUF", schema: text, references });

test("behind a schema id stands which message of the schema it is; another one is refused", () => {
  const reader = writer(proto);
  const bytes = encoded({ id: 7 });
  assert.equal(read(framed([1], bytes), reader)["id"], 7);
  const first = proto.replace(
    "message Refund { string id = 1; message Line { int32 n = 1; } }",
    "",
  );
  assert.equal(read(framed([], bytes), writer(first))["id"], 7);
  assert.throws(() => read(framed([], bytes), reader), {
    message: "it is the message shop.Refund",
  });
  assert.throws(() => read(framed([0, 0], bytes), reader), /it is the message shop.Refund.Line/);
  assert.throws(() => read(framed([5], bytes), reader), /no message 5/);
  assert.throws(() => read(Buffer.from([0xff, 0x7f]), reader), /message indexes/);
  assert.throws(() => writer("message Other {}"), /it has no message shop.Payment/);
  const avroSchema = { type: "AVRO", schema: {}, references: [] };
  assert.throws(() => openFormat(spec).readerOf(avroSchema), /it is a AVRO schema, not Protobuf/);
  assert.throws(() => writer("message {"), /illegal type name/);
  assert.throws(() => writer(`// ${"x".repeat(1024 * 1024)}`), /more than 1048576 characters/);
});

test("a writer may have other fields, other names and wider types; not others on the wire", () => {
  const other = `syntax = "proto3"; package shop; import "ref.proto";
    message Payment { uint64 number = 1; string extra = 99; refs.Who customer = 4; int32 status = 5;
      repeated Pair pairs = 98; }
    message Pair { int32 a = 1; }`;
  const imported = 'syntax = "proto3"; package refs; message Who { string full_name = 1; }';
  const reader = writer(other, [imported]);
  const root = new protobufjs.Root();
  protobufjs.parse(imported, root);
  protobufjs.parse(other, root, { keepCase: true });
  const type = root.lookupType("shop.Payment");
  const bytes = type
    .encode({
      number: longs.fromString("18446744073709551615", true),
      extra: "é",
      customer: { fullName: "Ann" },
      status: 2,
      pairs: [{ a: 1 }, { a: 2 }],
    })
    .finish();
  const record = read(framed([0], Buffer.from(bytes)), reader);
  assert.equal(record["id"], 2n ** 64n - 1n);
  assert.deepEqual([record["customer.name"], record["status"]], ["Ann", "DECLINED"]);
  const zigzag = 'syntax = "proto3"; package shop; message Payment { sint64 id = 1; }';
  assert.throws(() => writer(zigzag), {
    message: 'field "id" is written as sint64, which is not read as int64',
  });
  const list = 'syntax = "proto3"; package shop; message Payment { repeated int64 id = 1; }';
  assert.throws(() => writer(list), /as a list of int64, which is not read as int64/);
});

test("bytes that are no such message are refused with the field and the reason, and quickly", () => {
  const reason = (bytes: readonly number[], text: RegExp) =>
    assert.throws(() => read(Buffer.from(bytes)), { name: "Error", message: text });
  reason([0x08], /^field "id": it ends within a field$/);
  reason([0x12, 5, 65], /field "card": it ends within a field/);
  reason([0x12, 1, 0xff], /field "card": it is no UTF-8/);
  reason([0x0a, 1, 65], /field "id": it has wire type 2, not 0/);
  reason([0x28, 9], /field "status": 9 is no value of shop.Payment.Status/);
  reason([0x00, 1], /a field has no number/);
  reason([0x0f], /wire type 7/);
  reason([0x0c], /wire type 4/);
  reason([0x08, ...new Array<number>(10).fill(0xff), 1], /more than 10 bytes/);
  reason([0x1a, 2, 0x10, 0x80], /field "paid_at": it ends within a field/);
  reason([0x1a, 6, 0x10, 0x80, 0x94, 0xeb, 0xdc, 0x03], /no timestamp in the years 1 to 9999/);
  reason(new Array(100).fill([0xf3, 0x01]).flat() as number[], /nests deeper than 100/);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        read(Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof TypeError), String(error));
        assert.ok(!(error instanceof RangeError), String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

test("proto2 has required fields, defaults of its own and groups; a message is named or refused", () => {
  const old = `syntax = "proto2"; message Old {
    required int32 id = 1; optional int32 n = 2 [default = 7]; optional string s = 3;
    optional group G = 4 { optional int32 z = 1; } optional bool b = 5 [default = true];
    extensions 100 to 200; } extend Old { optional int32 more = 101; }`;
  const spec2 = protobuf<{ id: number }>({ message: "Old", proto: old });
  assert.deepEqual(
    layoutOf(spec2).fields.map(({ name, nullable }) => [name, nullable]),
    [
      ["id", false],
      ["n", true],
      ["s", true],
      ["b", true],
    ],
  );
  const reader = openFormat(spec2).readerOf(null);
  const group = [0x23, 0x08, 1, 0x24];
  assert.equal(reader(Buffer.from([0x08, 1, ...group]), 0, 6)["id"], 1);
  assert.throws(() => reader(Buffer.alloc(0), 0, 0), { message: 'field "id" is missing' });
  const wrong = { message: "shop.Payments", proto };
  assert.throws(() => protobuf(wrong), /there is no message shop.Payments; there is shop.Refund/);
});

test("a decimal is the nearest double, whatever its scale", () => {
  const amount = (digits: number[], scale: number) =>
    read(encoded({ amount: { value: Uint8Array.from(digits), scale } }))["amount"];
  assert.equal(amount([0x04, 0xd2], 2), 12.34);
  assert.equal(amount([0xff], 0), -1);
  assert.equal(amount([5], -3), 5_000);
  assert.equal(amount([], 4), 0);
});
