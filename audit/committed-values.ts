import type { Broker } from "../broker/broker.ts";
import { committedPages } from "../broker/committed-records.ts";
import type { AvroDecoder } from "../runtime/schema-registry/avro-codec.ts";

/**
 * Committed records of a partition with their values decoded; those without a value left out.
 *
 * @param isWanted - by offset; others are not decoded. @default all
 */
export async function* committedValues(
  broker: Broker,
  topic: string,
  partition: number,
  decoder: AvroDecoder,
  isWanted: (offset: number) => boolean = () => true,
): AsyncGenerator<{ readonly offset: number; readonly value: Record<string, unknown> }> {
  for await (const page of committedPages(broker, topic, partition)) {
    for (const record of page) {
      const { offset, value } = record;
      if (value === null || !isWanted(offset)) continue;
      yield { offset, value: await decoder.decodeAwaiting(value, 0, value.length, record) };
    }
  }
}
