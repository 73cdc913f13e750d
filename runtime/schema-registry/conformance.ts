import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "../../schemas/bytes.ts";
import type { MillraceError } from "../../schemas/errors.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { AvroDecoder, AvroEncoder } from "./avro-codec.ts";
import type { SchemaRegistry } from "./registry.ts";

const first: AvroSchema = {
  type: "record",
  name: "Reading",
  namespace: "conformance",
  fields: [
    { name: "id", type: "long" },
    { name: "value", type: ["null", "double"], default: null },
  ],
};
const second: AvroSchema = {
  ...first,
  fields: [...first.fields, { name: "unit", type: "string", default: "K" }],
};
const incompatible: AvroSchema = {
  ...first,
  fields: [...first.fields, { name: "place", type: "string" }],
};

const retyped: AvroSchema = {
  ...first,
  fields: [{ name: "id", type: "string" }, ...first.fields.slice(1)],
};

/** The rules of the schema registry port, for every adapter. */
export function registryConformance(
  name: string,
  open: () => Promise<SchemaRegistry>,
  skip: false | string = false,
): void {
  let subjects = 0;
  const subject = () => `conformance-${process.pid}-${Date.now()}-${subjects++}-value`;
  const using = async (run: (registry: SchemaRegistry) => Promise<void>) => {
    const registry = await open();
    try {
      await run(registry);
    } finally {
      await registry.close();
    }
  };

  test(`${name}: a schema keeps its id, whoever registers it and wherever`, { skip }, () =>
    using(async (registry) => {
      const [a, b] = [subject(), subject()];
      const id = await registry.register(a, first);
      assert.equal(await registry.register(a, first), id);
      assert.equal(await registry.register(b, first), id);
      const known = await registry.schemaById(id);
      assert.ok(known?.type === "AVRO");
      assert.equal((known.schema as AvroSchema).fields.length, 2);
      assert.equal((await registry.latest(a))?.id, id);
      assert.deepEqual([...(await registry.subjectsOf(id))].sort(), [a, b].sort());
      assert.deepEqual(await registry.subjectsOf(2_000_000_000), []);
      assert.equal(await registry.latest(subject()), null);
      assert.equal(await registry.schemaById(2_000_000_000), null);
    }),
  );

  test(`${name}: a version that cannot read what the last one wrote is refused`, { skip }, () =>
    using(async (registry) => {
      const a = subject();
      const old = await registry.register(a, first);
      await assert.rejects(registry.register(a, incompatible), { code: "SCHEMA_INCOMPATIBLE" });
      await assert.rejects(registry.register(a, retyped), (error: MillraceError) => {
        assert.equal(error.code, "SCHEMA_INCOMPATIBLE");
        assert.equal(error.context["subject"], a);
        return true;
      });
      assert.equal((await registry.latest(a))?.id, old);
      assert.notEqual(await registry.register(a, second), old);
    }),
  );

  test(`${name}: a newer reader reads what an older writer wrote`, { skip }, () =>
    using(async (registry) => {
      const a = subject();
      const writer = new ByteWriter(1);
      new AvroEncoder(first, await registry.register(a, first)).encode(
        { id: 7, value: null },
        writer,
      );
      await registry.register(a, second);
      const bytes = writer.take();
      const value = await new AvroDecoder(registry, second).decodeAwaiting(bytes, 0, bytes.length);
      assert.deepEqual({ ...value }, { id: 7, value: null, unit: "K" });
    }),
  );
}
