import assert from "node:assert/strict";
import { test } from "node:test";
import { featureColumns, viewId } from "../schemas/feature-view.ts";
import { makesOneClass } from "../schemas/hidden-class-fixture.ts";
import { stepsOf } from "../schemas/plan.ts";
import { createMemoryOnlineStore } from "../sinks/memory/memory.ts";
import { onlineStoreOf } from "../sinks/online-namespace.ts";
import { flights as plan } from "../topologies/flights/flights.ts";
import { readFeatures } from "./feature-look-up.ts";
import { readFeatureRows } from "./feature-rows.ts";
import type { ServedStack } from "./served-stack.ts";

const view = stepsOf(plan, "view").find(({ name }) => name === "origin_traffic");
if (view === undefined) throw new Error("no such view");
const columns = featureColumns(view).map(({ column }) => column);
const hour = 3_600_000;

/** The online store has come to 100 h, with or without a row as of 90 h. */
async function stackOf(row: "ORD" | "none", past: Record<string, unknown>[] = []) {
  const online = createMemoryOnlineStore();
  const known = { served: 0, asOf: 90 * hour, seq: 0, validUntil: Number.NaN };
  const values = Float64Array.from(columns, () => 3);
  const own = onlineStoreOf(online, plan.name);
  const at100 = { topicId: "1", nextOffset: 10, progress: 100 * hour };
  for (let partition = 0; partition < plan.partitions; partition++) {
    const key = { entityKey: row, offset: 1, row: { ...known, values } };
    await own.write({ ...at100, view: viewId(view as never), partition, rows: [key] });
  }
  const asked = { query: async () => past };
  const offline = { of: () => asked } as unknown as ServedStack["offline"];
  return { online, offline };
}

async function look(at: number | null, row: "ORD" | "none", past: Record<string, unknown>[] = []) {
  const request = { view: "origin_traffic", key: ["ORD"], at, topology: null };
  return readFeatures([plan], await stackOf(row, past), request);
}

async function rows(at: number | null, row: "ORD" | "none") {
  const reads = [{ view: "origin_traffic", keys: [["ORD"]], topology: null }];
  const [found] = await readFeatureRows([plan], await stackOf(row), { reads, at });
  if (found === undefined) throw new Error("no answer");
  return found;
}

const pastRow = Object.fromEntries([
  ...[...columns.map((column) => [column, 7]), ["asOf", 50 * hour], ["validUntil", null]],
  ...[
    ["key_0", "ORD"],
    ["seq", 0],
    ["served", 0],
  ],
]);

test("without a time a view answers as far as it is", async () => {
  const { freshness, at, source, features } = await look(null, "ORD");
  assert.deepEqual([freshness, at, source], ["FRESH", 100 * hour, "online"]);
  assert.deepEqual(new Set(features.map(({ value }) => value)), new Set([3]));
});

test("a row that is older than the ttl is not shown at all", async () => {
  const { freshness, asOf, features } = await look(90 * hour + 48 * hour + 1, "ORD");
  assert.deepEqual([freshness, asOf, features], ["MISSING", null, []]);
  assert.equal((await look(90 * hour + 48 * hour, "ORD")).freshness, "STALE");
});

test("the past of a key is found though the online store has let go of it", async () => {
  for (const row of ["none", "ORD"] as const) {
    const { freshness, asOf, source, features } = await look(60 * hour, row, [pastRow]);
    assert.deepEqual([freshness, asOf, source], ["FRESH", 50 * hour, "offline"], row);
    assert.deepEqual(new Set(features.map(({ value }) => value)), new Set([7]));
  }
});

test("a key that nobody has seen is missing", async () => {
  assert.equal((await look(null, "none")).freshness, "MISSING");
  assert.equal((await look(60 * hour, "none")).freshness, "MISSING");
});

test("what is read of entities has one hidden class", async () => {
  assert.ok(await makesOneClass(() => look(null, "ORD")));
  assert.ok(await makesOneClass(() => rows(null, "ORD").then(({ rows: [row] }) => row ?? {})));
});
