import assert from "node:assert/strict";
import { test } from "node:test";
import type { Duration } from "../../schemas/duration.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { flights } from "../flights/flights.ts";
import { agg } from "./aggregates.ts";
import { describe } from "./describe.ts";
import { online } from "./roles.ts";
import { from, type SourceOptions } from "./stream.ts";
import { topology } from "./topology.ts";

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Parts that follow from others: a change of them alone is no other plan. */
const derived = [
  /^fingerprint$/,
  // Every contract is a record.
  /^sources\.\d+\.format\.schema\.type$/,
  // The fields follow from the format.
  /^sources\.\d+\.layout\./,
  // Documentation.
  /\.doc$/,
  // The length of a window follows from its text.
  /\.lengthMs$/,
  // What a column holds follows from the kind of its aggregate.
  /^steps\.\d+\.spec\.aggregates\.\d+\.(output|identity)$/,
  // Names of the feature vector follow from look-ups, views and request features.
  /^steps\.\d+\.spec\.features\.\d+$/,
  // Who counts what, what goes into which store and what is measured follow from the steps.
  /^(accounts|stored)\.\d/,
  /\.outputs\.\d+\.(measured\.|partitions$)/,
  // So does what the tasks of an operator have to know.
  /\.operator\.spec\./,
  /\.inputs\.\d+\.awaited$/,
  // Schemas of outputs follow from the step; what they are called is in the text.
  /\.outputs\.\d+\.schema\.(?!name$)/,
];

/** Every plan that differs from `value` in one leaf, with the path of the leaf. */
function* mutants(value: Json, path: string): Generator<readonly [string, Json]> {
  if (Array.isArray(value)) {
    for (const [i, part] of value.entries()) {
      for (const [where, other] of mutants(part, `${path}.${i}`))
        yield [where, value.with(i, other)];
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [key, part] of Object.entries(value)) {
      const inner = path === "" ? key : `${path}.${key}`;
      for (const [where, other] of mutants(part, inner)) yield [where, { ...value, [key]: other }];
    }
  } else yield [path, mutant(value)];
}

function mutant(value: Json): Json {
  if (typeof value === "boolean") return !value;
  return typeof value === "number" ? value + 1 : `${value}_`;
}

test("a plan that differs in any part has another description", () => {
  const text = describe(flights);
  const plan = JSON.parse(JSON.stringify(flights)) as Json;
  const unseen: string[] = [];
  let seen = 0;
  for (const [path, other] of mutants(plan, "")) {
    if (derived.some((pattern) => pattern.test(path))) continue;
    seen++;
    if (describeSafely(other) === text) unseen.push(path);
  }
  assert.deepEqual(unseen, []);
  assert.ok(seen > 500, `${seen} parts were changed`);
});

test("a source says which subjects its ids are of, where that is not its topic's", () => {
  const schema = recordSchema<{ readonly id: string; readonly at: number }>({
    type: "record",
    name: "Reading",
    fields: [
      { name: "id", type: "string" },
      { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    ],
  });
  const describeWith = (...options: [] | [SourceOptions]) => {
    const readings = from("readings", schema, ...options)
      .timedBy("at", { lateness: "1m" })
      .partitionedBy("id")
      .keyedBy("id")
      .over("1h")
      .compute({ readings: agg.count() })
      .asFeatureView("readings@1", { ttl: "1d" })
      .into(online);
    return describe(topology("readings", { readings }));
  };
  assert.match(describeWith({ subjects: "record" }), /subjects record/);
  assert.equal(describeWith({ subjects: "topic" }), describeWith());
});

test("the max jump of a source is said where it is not the usual one, which is no part of a plan", () => {
  const jumping = (...more: [] | [{ readonly maxJump: Duration }]) => {
    const view = from("readings", recordSchema<{ id: string; at: number }>(reading))
      .timedBy("at", { lateness: "1m", ...more[0] })
      .partitionedBy("id")
      .keyedBy("id")
      .over("1h")
      .compute({ n: agg.count() })
      .asFeatureView("readings@1", { ttl: "2h" })
      .into(online);
    return topology("t", { view });
  };
  const usual = jumping();
  assert.match(describe(jumping({ maxJump: "30d" })), /time at, lateness 1m\n +max jump 30d\n/);
  assert.doesNotMatch(describe(usual), /jump/);
  assert.equal(jumping({ maxJump: "48h" }).fingerprint, usual.fingerprint);
  assert.equal(JSON.stringify(jumping({ maxJump: "2d" })), JSON.stringify(usual));
  assert.notEqual(jumping({ maxJump: "3d" }).fingerprint, usual.fingerprint);
});

/** Text of a plan that may be none any more: an unknown kind describes as nothing. */
function describeSafely(plan: Json): string {
  try {
    return describe(plan as unknown as typeof flights);
  } catch {
    return "";
  }
}

test("the other names of a record are part of its plan, for they decide what is read", () => {
  const described = (aliases: object) => {
    const view = from("readings", recordSchema({ ...reading, ...aliases }))
      .timedBy("at" as never, { lateness: "1m" })
      .partitionedBy("id" as never)
      .keyedBy("id" as never)
      .over("1h")
      .compute({ n: agg.count() })
      .asFeatureView("readings@1", { ttl: "2h" })
      .into(online);
    return topology("t", { view });
  };
  const [plain, named] = [described({}), described({ aliases: ["Old"] })];
  assert.match(describe(named), /record Reading aliases \["Old"\]/);
  assert.notEqual(plain.fingerprint, named.fingerprint);
  assert.equal(plain.fingerprint, described({}).fingerprint);
});

const reading = {
  type: "record",
  name: "Reading",
  fields: [
    { name: "id", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  ],
} as const;
