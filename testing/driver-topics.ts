import type { FetchedPartition, Producer } from "../broker/broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import { RecordReader } from "../broker/record-batch/reader.ts";
import type { AvroDecoder } from "../runtime/schema-registry/avro-codec.ts";

/** A record of an output topic. */
export interface DriverRecord<Value = Record<string, unknown>> {
  readonly key: string | null;
  readonly value: Value;
  readonly timestamp: number;
  readonly partition: number;
  readonly offset: number;
}

/** Decodes what was fetched; returns where to go on. */
export async function readAll(
  fetched: FetchedPartition,
  decoder: AvroDecoder,
  into: DriverRecord[],
): Promise<number> {
  const reader = new RecordReader();
  reader.open(fetched, "read_committed");
  while (reader.next()) {
    const { buffer, keyStart, keyEnd, valueStart, valueEnd } = reader;
    const value = await decoder.decodeAwaiting(buffer, valueStart, valueEnd);
    into.push({
      key: keyStart < 0 ? null : buffer.toString("utf8", keyStart, keyEnd),
      value: value as Record<string, unknown>,
      timestamp: reader.timestampMs,
      partition: fetched.partition,
      offset: reader.offset,
    });
  }
  return reader.nextOffset;
}

/** Writes one record, without a transaction. */
export async function send(
  producer: Producer,
  topic: string,
  partition: number,
  key: string | null,
  value: Buffer,
  timestampMs: number,
): Promise<void> {
  const builder = new RecordBatchBuilder();
  builder.append(key === null ? null : Buffer.from(key, "utf8"), value, timestampMs);
  await producer.send([{ topic, partition, batch: builder.build() }]);
}
