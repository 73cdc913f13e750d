import type { Broker, RecordBatch, TopicPartition } from "../broker.ts";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { RecordReader } from "../record-batch/reader.ts";
import { type EmbeddedBrokerOptions, openEmbeddedBroker } from "./embedded-broker.ts";

/** The partition that the tests of one log write to. */
export const at: TopicPartition = { topic: "t", partition: 0 };

/** Opens a log whose topic `t` is there. */
export async function open(
  options: EmbeddedBrokerOptions,
  config: Record<string, string> = {},
  partitions = 1,
) {
  const broker = await openEmbeddedBroker(options);
  if (options.readOnly !== true) {
    await broker.createTopics([{ name: at.topic, partitions, config }]);
  }
  return broker;
}

/** A batch of these values, all under one key. */
export function batchOf(...values: string[]): RecordBatch {
  const builder = new RecordBatchBuilder();
  for (const value of values) builder.append(Buffer.from("k"), Buffer.from(value), 0);
  return builder.build();
}

/** What a reader of committed records finds from an offset on. */
export async function values(broker: Broker, from = 0, place = at): Promise<string[]> {
  const reader = new RecordReader({ checkCrc: true });
  const found: string[] = [];
  for (let offset = from; ; offset = reader.nextOffset) {
    const [fetched] = await broker.fetch({
      partitions: [{ ...place, offset, maxBytes: 1 << 20 }],
      isolation: "read_committed",
      maxWaitMs: 0,
      maxBytes: 1 << 20,
    });
    if (fetched === undefined) return found;
    reader.open(fetched, "read_committed");
    while (reader.next()) {
      found.push(reader.buffer.toString("utf8", reader.valueStart, reader.valueEnd));
    }
  }
}
