import assert from "node:assert/strict";
import { test } from "node:test";
import { avro } from "../../schemas/formats/avro/avro-format.ts";
import { layoutOf } from "../../schemas/formats/formats.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { askedFields, recordReader } from "./record-reader.ts";

const place = (name: string) => ({
  ...{ type: "record", name, fields: [{ name: "city", type: "string" }] },
});
const order = recordSchema<object>({
  type: "record",
  name: "Order",
  fields: [
    { name: "orderId", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "home", type: place("Home") },
    { name: "work", type: ["null", place("Work")], default: null },
    { name: "note", type: "string" },
  ],
});
const format = avro(order);
const source = { format, layout: layoutOf(format), timeField: "at" };
const needed = new Set(["home.city", "work.city"]);

test("a field is required where no record does without it, of a record within as well", () => {
  const fields = askedFields(source, needed, "orderId");
  assert.deepEqual(
    fields.map(({ name, isRequired, isUsed, role }) => [name, isRequired, isUsed, role]),
    [
      ["orderId", false, false, "id"],
      ["at", false, false, "time"],
      ["home.city", true, true, null],
      ["work.city", false, true, null],
      ["note", false, false, null],
    ],
  );
  const read = recordReader(source, needed, "orderId");
  assert.equal(read({ home: { city: "Ulm" } }, 7)["at"], 7);
  assert.throws(() => read({ work: { city: "Ulm" } }, 7), { message: "home is missing" });
  assert.throws(() => read({ home: {} }, 7), { message: "home.city is missing" });
  assert.throws(() => read({ home: { city: "Ulm" }, work: {} }, 7), {
    message: "work.city is missing",
  });
});
