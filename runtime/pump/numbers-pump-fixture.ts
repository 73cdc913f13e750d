import { setTimeout as wait } from "node:timers/promises";
import type { Broker } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { createMemoryOfflineStore } from "../../sinks/memory/memory.ts";
import type { Sink } from "../../sinks/sink.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { NumberedTopic, numbersTable } from "./pump-topic-fixture.ts";
import { SinkPump } from "./sink-pump.ts";
import type { SinkPumpOptions } from "./sink-pump-options.ts";

export const topicName = "numbers";

/** How long what a pump does may take on a busy machine, ms. */
const patienceMs = 60_000;

/** Waits until it holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited too long for ${what}`);
    await wait(5);
  }
}

export function numbersPump(
  broker: Broker,
  sink: Sink,
  more: Partial<SinkPumpOptions> = {},
): Promise<SinkPump> {
  const options = { broker, topic: topicName, partitions: [0, 1], sink, group: "pump" };
  return SinkPump.start({ ...options, maxRows: 7, maxWaitMs: 5, ...more });
}

/** A store to change methods of: those of the class must stay with their own object. */
export function likeStore(store: OfflineStore): OfflineStore {
  return Object.assign(Object.create(store) as OfflineStore, {
    stored: (...given: Parameters<OfflineStore["stored"]>) => store.stored(...given),
  });
}

export async function setUpNumbers() {
  const broker = await openEmbeddedBroker({ directory: null });
  const topic = await NumberedTopic.create(broker, topicName);
  const store = createMemoryOfflineStore();
  await store.migrate([numbersTable], []);
  const numbers = () =>
    store
      .rows(numbersTable.name)
      .map((row) => Number(row["number"]))
      .sort((a, b) => a - b);
  return { broker, topic, store, numbers };
}
