import { featureDoors } from "../../gateway/doors/features.ts";
import { readBody, shaped } from "../../gateway/read-request.ts";
import { Served } from "../../gateway/served.ts";
import { Caller } from "../../runtime/predict/caller.ts";
import type { FeatureViewSpec } from "../../schemas/feature-view.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import type { Plan } from "../../schemas/plan.ts";
import { viewsOf } from "../../schemas/plan-facts.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { onlineStoreOf } from "../../sinks/online-namespace.ts";
import { openRedisStore } from "../../sinks/redis/redis.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { online } from "../../topologies/dsl/roles.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { seededRandom } from "../seeded-random.ts";
import { type Timing, time } from "./timing.ts";

/** What is read at once: so many entities of a view of so many features. */
export const shapes = [
  { entities: 1, features: 250 },
  { entities: 50, features: 50 },
] as const;
/** Entities that stand in the store. */
export const entitiesStored = 1_000;
const windows = ["5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "2d", "7d"] as const;

interface Event {
  readonly id: string;
  readonly at: number;
  readonly entity: string;
  readonly value: number;
}

const event = recordSchema<Event>({
  type: "record",
  name: "Event",
  fields: [
    { name: "id", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "entity", type: "string" },
    { name: "value", type: "double" },
  ],
});

/** A view of so many features: quantiles over ten windows. */
function viewOf(features: number) {
  const names = Array.from({ length: features / windows.length }, (_, at) => at + 1);
  const aggregates = names.map((at) => [`q${at}`, agg.quantile("value", at / (names.length + 1))]);
  return from("events", event)
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("id")
    .keyedBy("entity")
    .over(...windows)
    .compute(Object.fromEntries(aggregates))
    .asFeatureView(`wide${features}@1`, { ttl: "30d" })
    .into(online);
}

function planOf(): Plan {
  const views = shapes.map(({ features }) => [`wide${features}`, viewOf(features)]);
  return topology("wide", Object.fromEntries(views), { partitions: 4 });
}

/**
 * Times feature reads as the gateway makes them, from the bytes of the request's body to those of
 * its answer, without what HTTP takes.
 *
 * @param url - of a Redis, which is filled.
 */
export async function timeWideReads(url: string, samples: number): Promise<Timing[]> {
  const plan = planOf();
  const redis = await openRedisStore({ urls: [url] });
  const store = onlineStoreOf(redis, plan.name);
  const now = Date.now();
  try {
    for (const view of viewsOf(plan)) await fill(plan, view, store, now);
    const offline = { of: () => Promise.reject(new Error("offline")) } as unknown as OfflineStore;
    const served = new Served([plan], { online: redis, offline }, () => now);
    const ask = askingOf(served);
    const timings: Timing[] = [];
    for (const { entities, features } of shapes) {
      const name = `${entities} × ${features}, Millrace`;
      const keysAt = (call: number) =>
        Array.from({ length: entities }, (_, at) => [`e${(call * 7 + at) % entitiesStored}`]);
      const bodyAt = (call: number) =>
        Buffer.from(JSON.stringify({ views: [{ view: `wide${features}`, keys: keysAt(call) }] }));
      const whole = JSON.parse(String(await ask(bodyAt(0)))) as WideAnswer;
      const isWhole = whole.views[0]?.rows.every(({ values }) => {
        return values.length === features && !values.includes(null);
      });
      if (isWhole !== true) throw new Error(`${name}: a row is missing`);
      timings.push(await time(name, samples, (call) => ask(bodyAt(call))));
    }
    return timings;
  } finally {
    await redis.close();
  }
}

interface WideAnswer {
  readonly views: readonly { readonly rows: readonly { readonly values: readonly unknown[] }[] }[];
}

/** What the gateway does between the bodies of a request for many features and of its answer. */
function askingOf(served: Served): (body: Buffer) => Promise<Buffer> {
  const door = featureDoors(served).find(({ method }) => method === "POST");
  if (door?.body === undefined) throw new RangeError("features are asked for by POST");
  const { takes, body: shape, handle } = door;
  const call = { user: null, requestId: "", path: {}, rest: [], query: {}, headers: {} };
  const caller = new Caller();
  return async (bytes) => {
    const body = shaped(shape, readBody(takes, "application/json", bytes), "body");
    return Buffer.from(JSON.stringify((await handle({ ...call, caller, body })).body));
  };
}

async function fill(
  plan: Plan,
  view: FeatureViewSpec,
  store: ReturnType<typeof onlineStoreOf>,
  now: number,
): Promise<void> {
  const random = seededRandom(view.aggregates.length);
  const width = view.aggregates.length * view.windows.length;
  const others = Buffer.alloc(0);
  const keys = Array.from({ length: entitiesStored }, (_, at) => `e${at}`);
  for (let partition = 0; partition < plan.partitions; partition++) {
    const own = keys.filter((key) => partitionOf(key, plan.partitions) === partition);
    const rows = own.map((entityKey, offset) => {
      const values = Float64Array.from({ length: width }, () => random() * 100);
      const row = { served: 0, asOf: now - 1_000, seq: 0, validUntil: now + 3_600_000 };
      return { entityKey, offset, row: { ...row, values, others } };
    });
    const of = { topicId: "1", nextOffset: rows.length, partition, progress: now };
    await store.write({ ...of, view: `${view.name}@1`, rows });
  }
}
