/** The wire shapes of the feature server of Feast 0.67, as its remote online store has them. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ByteWriter } from "../../schemas/bytes.ts";
import { type FeatureViewSpec, valueLayout } from "../../schemas/feature-view.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { stepsOf } from "../../schemas/plan.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { RowCodec } from "../../schemas/row-codec.ts";
import { feastRepository } from "../../serving/feast-definitions.ts";
import { onlineStoreOf } from "../../sinks/online-namespace.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { online } from "../../topologies/dsl/roles.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { ask, countedStores, openTestGateway, plan, posting } from "../gateway-fixture.ts";
import type { Gateway } from "../open-gateway.ts";
import { pythonScript, toldBy } from "../python-script-fixture.ts";
import { Served } from "../served.ts";
import { feastDoor } from "./feast.ts";

interface Made {
  readonly id: string;
  readonly at: number;
  readonly constructor: string;
}

const madeSchema = {
  type: "record",
  name: "Made",
  fields: [
    { name: "id", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "constructor", type: "string" },
  ],
} as const;

const now = Date.UTC(2026, 0, 5, 12);
const stores = countedStores();
let gateway: Gateway;

before(async () => {
  const online = onlineStoreOf(stores.online, plan.name);
  const [cards] = stepsOf(plan, "view") as [FeatureViewSpec];
  const others = new ByteWriter();
  new RowCodec(valueLayout(cards)).writeValues(others, [7, null]);
  const facts = { served: 0, asOf: now - 60_000, seq: 0, validUntil: now + 60_000 };
  const row = { ...facts, values: Float64Array.of(3), others: others.take() };
  const partition = partitionOf("4711", plan.partitions);
  const rows = [{ entityKey: "4711", offset: 1, row }];
  const of = { topicId: "1", nextOffset: 5, partition, progress: now };
  await online.write({ ...of, view: "cards@1", rows });
  gateway = await openTestGateway([feastDoor(new Served([plan], stores, () => now))]);
});
after(() => gateway.close());

const post = (body: unknown) => ask(`${gateway.url}/get-online-features`, posting(body));

test("features come column by column, the entities first", async () => {
  const before = stores.online.reads;
  const { status, body } = await post({
    features: ["cards:payments_1h", "cards:last_note_1h"],
    entities: { card: [4711, "nobody"] },
    full_feature_names: false,
    include_feature_view_version_metadata: false,
  });
  assert.deepEqual([status, stores.online.reads - before], [200, 1]);
  const epoch = "1970-01-01T00:00:00Z";
  const since = "2026-01-05T11:59:00.000Z";
  assert.deepEqual(body, {
    metadata: { feature_names: ["card", "payments_1h", "last_note_1h"] },
    results: [
      {
        ...{ values: ["4711", "nobody"], statuses: ["PRESENT", "PRESENT"] },
        event_timestamps: [epoch, epoch],
      },
      {
        ...{ values: [3, null], statuses: ["PRESENT", "NOT_FOUND"] },
        event_timestamps: [since, epoch],
      },
      {
        ...{ values: [null, null], statuses: ["NULL_VALUE", "NOT_FOUND"] },
        event_timestamps: [since, epoch],
      },
    ],
    status: true,
  });
});

test("full names carry the view; names that would meet are refused without them", async () => {
  const asked = {
    features: ["cards@1:payments_1h", "pairs:payments_1h"],
    entities: { card: ["4711"], terminal: ["t"] },
  };
  const full = await post({ ...asked, full_feature_names: true });
  assert.deepEqual(full.body["metadata"], {
    feature_names: ["card", "terminal", "cards__payments_1h", "pairs__payments_1h"],
  });
  const { status, body } = await post(asked);
  assert.deepEqual([status, body["where"]], [400, "body.features"]);
});

test("what cannot be answered is refused with its place", async () => {
  const told = async (body: unknown) => {
    const { status, body: answer } = await post(body);
    return [status, answer["where"]];
  };
  const features = ["cards:payments_1h"];
  const entities = { card: ["1"] };
  assert.deepEqual(await told({ features, entities: {} }), [400, "body.entities"]);
  assert.deepEqual(await told({ features, entities: { crad: [1] } }), [400, "body.entities"]);
  const odd = Object.fromEntries([...Object.entries(entities), ["__proto__", ["1"]]]);
  assert.deepEqual(await told({ features, entities: odd }), [400, "body.entities"]);
  const uneven = { card: [1, 2], terminal: [1] };
  assert.deepEqual(await told({ features, entities: uneven }), [400, "body.entities"]);
  assert.deepEqual(await told({ features: ["cards:x"], entities }), [400, "body.features[0]"]);
  assert.deepEqual(await told({ features: ["cards"], entities }), [400, "body.features[0]"]);
  assert.deepEqual(await told({ features: ["none:x"], entities }), [404, null]);
  assert.deepEqual(await told({ feature_service: "s", entities }), [400, "body.features"]);
});

test("a key field that every object has by name is missing where nobody gives it", async (t) => {
  const made = from("made", recordSchema<Made>(madeSchema))
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("id");
  const view = made
    .keyedBy("constructor")
    .over("1h")
    .compute({ cars: agg.count() })
    .asFeatureView("cars@1", { ttl: "1d" })
    .into(online);
  const cars = topology("cars", { view }, { partitions: 1 });
  const own = await openTestGateway([feastDoor(new Served([cars], stores, () => now))]);
  t.after(() => own.close());
  const told = async (entities: object) => {
    const asked = posting({ features: ["cars:cars_1h"], entities });
    const { status, body } = await ask(`${own.url}/get-online-features`, asked);
    return [status, body["where"]];
  };
  assert.deepEqual(await told({ car: [1] }), [400, "body.entities"]);
  assert.deepEqual(await told({ constructor: ["x"] }), [200, undefined]);
});

test("Feast's own client reads it as its remote online store, by definitions made for it", {
  skip: requirement("python-clients-alone"),
}, async (context) => {
  const repository = await mkdtemp(join(tmpdir(), "feast-"));
  context.after(() => rm(repository, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(feastRepository([plan], gateway.url))) {
    await writeFile(join(repository, name), text);
  }
  const read = async (view: string, ...keys: readonly string[]) => {
    const named = keys.flatMap((key) => ["--key", key]);
    const args = ["--repository", repository, "--view", view, ...named];
    return await pythonScript(["feast", "read.py"], args, { FEAST_USAGE: "False" });
  };
  const ended = await read("cards", "card=4711");
  assert.equal(ended.code, 0, ended.err + ended.out);
  assert.deepEqual(toldBy(ended), {
    ...{ card: "4711", payments_1h: 3, last_cents_1h: 7, last_note_1h: null },
  });
});
