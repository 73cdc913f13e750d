import { join } from "node:path";
import type { Broker } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { createMemoryOfflineStore, createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import { AvroEncoder } from "../schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../schema-registry/embedded.ts";
import { openArtifactStore } from "../services/train/artifacts.ts";
import type { Stack } from "./stack.ts";

export interface Reading {
  readonly sensor: string;
  readonly at: number;
}

export const reading = recordSchema<Reading>({
  type: "record",
  name: "Reading",
  fields: [
    { name: "sensor", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  ],
});

/** A stack in memory, but for artifacts in a folder. */
export async function memoryStack(folder: string): Promise<Stack> {
  const broker = await openEmbeddedBroker({ directory: null });
  const offline = createMemoryOfflineStore();
  return {
    ...{ kind: "embedded", broker, offline, files: offline },
    registry: createMemoryRegistry(),
    online: createMemoryOnlineStore(),
    artifacts: { of: (topology) => openArtifactStore(join(folder, topology)) },
    pids: () => [],
    offlineAddress: null,
    close: () => broker.close(),
  };
}

/** Sends readings to the topic `readings`, one a call, to the partition of their sensor. */
export async function readingsTo(
  { broker, registry }: { readonly broker: Broker; readonly registry: Stack["registry"] },
  partitions: number,
): Promise<(value: Reading) => Promise<void>> {
  const id = await registry.register("readings-value", reading);
  const producer = await broker.producer({ transactionalId: null });
  return async (value) => {
    const bytes = new ByteWriter();
    new AvroEncoder(reading, id).encode(value, bytes);
    const batch = new RecordBatchBuilder();
    batch.append(Buffer.from(value.sensor), bytes.take(), value.at);
    const partition = partitionOf(value.sensor, partitions);
    await producer.send([{ topic: "readings", partition, batch: batch.build() }]);
  };
}
