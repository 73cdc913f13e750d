import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Stack, storesOf, type TopologyStores } from "../../runtime/hosting/stack.ts";
import { entityKey } from "../../schemas/feature-view.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import type { Plan } from "../../schemas/plan.ts";
import { openRedisStore } from "../../sinks/redis/redis.ts";
import type { OnlineKey, OnlineStore } from "../../sinks/store.ts";
import { startRedis } from "../../stacks/local/redis.ts";
import { missingRequirement } from "../../testing/requirements-fixture.ts";
import { type Timing, time } from "./timing.ts";

/** Flights whose features are read, taken from the run. */
const flightsRead = 2_000;

/** What a prediction of one flight looks up: five views, origin first. */
type LookUps = readonly OnlineKey[];

/** Times feature reads of flights of the run, from its online store and, if there is one, Redis. */
export async function timeOnlineReads(
  plan: Plan,
  stack: Stack,
  samples: number,
): Promise<Timing[]> {
  const { online, offline } = storesOf(stack, plan.name);
  const flights = await lookUpsOf(plan, { offline });
  const timings = await timeStore("embedded store", online, flights, samples);
  if (missingRequirement("redis-server") !== null) return timings;
  const directory = await mkdtemp(join(tmpdir(), "millrace-latency-redis-"));
  const server = await startRedis({ directory });
  try {
    const redis = await openRedisStore({ urls: [server.url] });
    await copy(online, redis, flights.flat());
    timings.push(...(await timeStore("Redis", redis, flights, samples)));
    await redis.close();
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
  return timings;
}

async function timeStore(
  name: string,
  store: OnlineStore,
  flights: readonly LookUps[],
  samples: number,
): Promise<Timing[]> {
  const flightAt = (call: number) => flights[call % flights.length] ?? [];
  return [
    await time(`features of one entity, one view, ${name}`, samples, (call) =>
      read(store, flightAt(call).slice(0, 1)),
    ),
    await time(`features of one flight, five views at once, ${name}`, samples, (call) =>
      read(store, flightAt(call)),
    ),
  ];
}

/** A read that finds nothing would be timed for nothing. */
async function read(store: OnlineStore, keys: LookUps): Promise<void> {
  const [entry] = await store.read(keys);
  if (entry?.row === null || entry === undefined) throw new Error(`${keys[0]?.entityKey}: no row`);
}

async function lookUpsOf(
  plan: Plan,
  { offline }: Pick<TopologyStores, "offline">,
): Promise<LookUps[]> {
  // Routes that were flown: the row of a route names its origin and its destination.
  const rows = await offline.query<{ origin: string; destination: string }>(
    `SELECT origin, destination FROM route_delays
    WHERE origin IN (SELECT origin FROM origin_delays)
    ORDER BY as_of DESC LIMIT 1 BY origin, destination LIMIT ${flightsRead}`,
  );
  return rows.map(({ origin, destination }) => [
    keyOf(plan, "origin_delays", [origin]),
    keyOf(plan, "destination_delays", [origin]),
    keyOf(plan, "destination_delays", [destination]),
    keyOf(plan, "route_delays", [origin, destination]),
    keyOf(plan, "origin_traffic", [origin]),
  ]);
}

function keyOf(plan: Plan, view: string, values: readonly string[]): OnlineKey {
  const key = entityKey(values);
  const partition = partitionOf(key, plan.partitions);
  return { view: `${view}@1`, entityKey: key, partition };
}

/** Writes what one store holds of some keys to another. */
async function copy(from: OnlineStore, to: OnlineStore, keys: readonly OnlineKey[]): Promise<void> {
  const distinct = new Map(keys.map((key) => [`${key.view}/${key.entityKey}`, key]));
  for (const { view, entityKey, partition } of distinct.values()) {
    const [entry] = await from.read([{ view, entityKey, partition }]);
    if (entry === undefined || entry.row === null) continue;
    await to.write({
      ...{ view, topicId: "copied", partition, nextOffset: 1, progress: entry.progress },
      rows: [{ entityKey, offset: 0, row: entry.row }],
    });
  }
}
