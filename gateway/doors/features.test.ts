import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../schemas/bytes.ts";
import { entityKey, type FeatureViewSpec, valueLayout } from "../../schemas/feature-view.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { stepsOf } from "../../schemas/plan.ts";
import { RowCodec } from "../../schemas/row-codec.ts";
import { onlineStoreOf } from "../../sinks/online-namespace.ts";
import { ask, countedStores, openTestGateway, plan, posting } from "../gateway-fixture.ts";
import type { Gateway } from "../open-gateway.ts";
import { Served } from "../served.ts";
import { featureDoors } from "./features.ts";
import { viewDoors } from "./views.ts";

const hour = 3_600_000;
const now = 1_000 * hour;
const stores = countedStores();
const served = new Served([plan], stores, () => now);
let gateway: Gateway;

before(async () => {
  const online = onlineStoreOf(stores.online, plan.name);
  const [cards, pairs] = stepsOf(plan, "view") as [FeatureViewSpec, FeatureViewSpec];
  const others = new ByteWriter();
  new RowCodec(valueLayout(cards)).writeValues(others, [2n ** 60n + 1n, "ö"]);
  const facts = { served: 0, asOf: now - hour / 2, seq: 0, validUntil: now + hour };
  for (let partition = 0; partition < plan.partitions; partition++) {
    const of = { topicId: "1", nextOffset: 5, partition, progress: now - 200 };
    const rowsOf = (keys: readonly (readonly string[])[], row: object) =>
      keys
        .map((key) => ({
          entityKey: entityKey(key),
          offset: 1,
          row: { ...facts, ...row } as never,
        }))
        .filter((each) => partitionOf(each.entityKey, plan.partitions) === partition);
    const values = Float64Array.of(3);
    const cardRow = { values, others: others.take() };
    await online.write({ ...of, view: "cards@1", rows: rowsOf([["4711"], ["a/b|c"]], cardRow) });
    await online.write({ ...of, view: "pairs@1", rows: rowsOf([["4711", "t|1"]], { values }) });
  }
  assert.equal(pairs.name, "pairs");
  gateway = await openTestGateway([...featureDoors(served), ...viewDoors(served)]);
});
after(() => gateway.close());

test("features of one entity: whole numbers of 64 bits are exact, as text", async () => {
  const { status, body } = await ask(`${gateway.url}/v1/features/cards/4711`);
  assert.equal(status, 200);
  assert.deepEqual(body, {
    ...{ topology: "shop", view: "cards@1", key: { card: "4711" }, status: "FRESH", at: now },
    ...{ asOf: now - hour / 2, validUntil: now + hour, ageMs: hour / 2, lagMs: 200 },
    source: "online",
    features: { payments_1h: 3, last_cents_1h: "1152921504606846977", last_note_1h: "ö" },
    incomplete: [],
  });
});

test("values of keys stand URL-encoded in the path", async () => {
  const one = await ask(`${gateway.url}/v1/features/cards@1/a%2Fb%7Cc`);
  assert.deepEqual([one.body["status"], one.body["key"]], ["FRESH", { card: "a/b|c" }]);
  const two = await ask(`${gateway.url}/v1/features/pairs/4711/t%7C1`);
  assert.deepEqual(two.body["key"], { card: "4711", terminal: "t|1" });
  assert.equal(two.body["status"], "FRESH");
  const few = await ask(`${gateway.url}/v1/features/pairs/4711`);
  assert.deepEqual([few.status, few.body["code"]], [400, "VIEW_KEY_INVALID"]);
});

test("a key that has no UTF-8 is refused, and not taken for another one", async () => {
  const views = [{ view: "cards", keys: ["4711", "\ud800"] }];
  const { status, body } = await ask(`${gateway.url}/v1/features`, posting({ views }));
  assert.deepEqual([status, body["where"]], [400, "body.views[0].keys[1]"]);
  assert.match(String(body["message"]), /half of a surrogate pair/);
});

test("what is null in a request is as if it were left out", async () => {
  const views = [{ view: "cards", keys: ["4711"] }];
  const asked = posting({ views, at: null, maxLagMs: null });
  const { body } = await ask(`${gateway.url}/v1/features`, asked);
  const [{ rows }] = body["views"] as [{ rows: { status: string }[] }];
  assert.equal(rows[0]?.status, "FRESH");
});

test("many views and entities are one round trip, each row with its own status", async () => {
  const before = stores.online.reads;
  const { status, body } = await ask(
    `${gateway.url}/v1/features`,
    posting({
      views: [
        { view: "cards", keys: ["4711", "nobody"], features: ["last_note_1h", "payments_1h"] },
        { view: "pairs@1", keys: [["4711", "t|1"]] },
        { view: "cards", keys: [["nobody"]], defaults: { payments_1h: 0 } },
      ],
    }),
  );
  assert.deepEqual([status, stores.online.reads - before], [200, 1]);
  const views = body["views"] as { rows: { status: string; values: unknown[] }[] }[];
  assert.deepEqual(
    views.map(({ rows }) => rows.map((row) => [row.status, row.values])),
    [
      [
        ["FRESH", ["ö", 3]],
        ["MISSING", [null, null]],
      ],
      [["FRESH", [3]]],
      [["DEFAULT", [0, null, null]]],
    ],
  );
});

test("a view that lies further behind than is asked for is stale", async () => {
  const { body } = await ask(`${gateway.url}/v1/features/cards/4711?maxLagMs=100`);
  assert.deepEqual([body["status"], body["lagMs"]], ["STALE", 200]);
});

test("what cannot be asked for is refused with its place", async () => {
  const told = async (body: unknown) => {
    const { status, body: answer } = await ask(`${gateway.url}/v1/features`, posting(body));
    return [status, answer["code"], answer["where"]];
  };
  const read = (more: object) => ({ views: [{ view: "cards", keys: ["1"], ...more }] });
  assert.deepEqual(await told(read({ view: "card" })), [404, "VIEW_UNKNOWN", null]);
  const unknown = read({ features: ["payments_2h"] });
  assert.deepEqual(await told(unknown), [400, "REQUEST_INVALID", "body.views[0].features"]);
  const inexact = read({ keys: [2 ** 53] });
  assert.deepEqual(await told(inexact), [400, "REQUEST_INVALID", "body.views[0].keys[0]"]);
  const reason = async (more: object) => {
    const { body } = await ask(`${gateway.url}/v1/features`, posting(read(more)));
    return String(body["message"]);
  };
  const written = /keys\[0\].*beyond ±\(2\^53 − 1\) is not exact in JSON: write it as text/;
  assert.match(await reason({ keys: [2 ** 53] }), written);
  assert.match(await reason({ keys: [[2 ** 53]] }), /keys\[0\]\[0\].*write it as text/);
  assert.match(
    await reason({ keys: [null] }),
    /keys\[0\].*write a text, a number or true or false/,
  );
  assert.match(
    await reason({ defaults: { payments_1h: [] } }),
    /payments_1h.*write a number, a te/,
  );
  const odd = Object.fromEntries([["__proto__", 0]]);
  assert.match(await reason({ defaults: odd }), /defaults.*Unrecognized key: "__proto__"/);
  const many = read({ keys: Array.from({ length: 1_001 }, (_, i) => i) });
  assert.deepEqual(await told(many), [400, "REQUEST_INVALID", "body.views"]);
  assert.deepEqual(await told({ ...read({}), at: "soon" }), [400, "REQUEST_INVALID", "body.at"]);
  assert.deepEqual(await told({ ...read({}), vews: [] }), [400, "REQUEST_INVALID", "body"]);
});

test("the views are listed with keys and features", async () => {
  const { body } = await ask(`${gateway.url}/v1/views`);
  const views = body["views"] as { view: string; keyFields: string[]; features: object[] }[];
  assert.deepEqual(
    views.map(({ view, keyFields, features }) => [view, keyFields, features.length]),
    [
      ["cards@1", ["card"], 3],
      ["pairs@1", ["card", "terminal"], 1],
    ],
  );
});

test("whatever is sent, the answer is one of the request's making (1,500 requests)", async () => {
  const json = fc.json({ maxDepth: 4 });
  const near = fc.record(
    {
      views: fc.oneof(
        fc.array(
          fc.record(
            {
              view: fc.oneof(
                fc.constantFrom("cards", "pairs", "cards@1", "__proto__"),
                fc.string(),
              ),
              keys: fc.oneof(
                fc.array(fc.oneof(fc.string(), fc.integer(), fc.array(fc.string()))),
                fc.jsonValue(),
              ),
              features: fc.oneof(
                fc.array(fc.constantFrom("payments_1h", "constructor")),
                fc.jsonValue(),
              ),
              defaults: fc.jsonValue(),
            },
            { requiredKeys: ["view", "keys"] },
          ),
        ),
        fc.jsonValue(),
      ),
      at: fc.jsonValue(),
      maxLagMs: fc.jsonValue(),
    },
    { requiredKeys: ["views"] },
  );
  const bodies = fc.oneof(
    json,
    fc.string(),
    near.map((value) => JSON.stringify(value)),
  );
  const paths = fc.array(fc.oneof(fc.string(), fc.constantFrom("cards", "%zz", "..", "a%2fb")));
  await fc.assert(
    fc.asyncProperty(bodies, paths, async (body, path) => {
      const post = await ask(`${gateway.url}/v1/features`, posting(body));
      const query = encodeURIComponent(body.slice(0, 50));
      const get = await ask(`${gateway.url}/v1/features/${path.join("/")}?at=${query}`);
      for (const { status, body: told } of [post, get]) {
        assert.ok(
          status === 200 || (status >= 400 && status < 500),
          `${status} ${JSON.stringify(told)}`,
        );
        if (status !== 200) assert.ok(String(told["message"]).length > 10);
      }
    }),
    { numRuns: 750 },
  );
});
