import type { Broker } from "../../broker/broker.ts";
import {
  keyLimitBytes,
  RecordBounds,
  textLimitBytes,
} from "../../processors/source/record-bounds.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { errorMessage, MillraceError } from "../../schemas/errors.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import type { SourceSpec } from "../../schemas/plan.ts";
import { timeText } from "../../schemas/source-time.ts";
import { liveMostAheadMs } from "../engine/live/source-decisions.ts";
import { recordLimitBytes } from "../engine/rejections.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { sourceDecoder, sourceEncoder } from "../schema-registry/source-codec.ts";
import { EventMisfit, eventRecord } from "./event-record.ts";

/** A record as it is sent. */
export interface EncodedEvent {
  readonly partition: number;
  readonly key: Buffer;
  readonly value: Buffer;
  /** Of the Kafka record, UTC ms. */
  readonly timestamp: number;
}

/** A source that takes events: checks each as the stream will, and writes it in its format. */
export interface EventSource {
  readonly topic: string;
  /** @throws {EventMisfit} saying what is wrong, with the place in the event. */
  encode(value: unknown, now: number): EncodedEvent;
}

/**
 * Registers the schema of the source on its subject where it is new there, as a producer does.
 *
 * @throws {MillraceError} EVENT_TOPIC_MISSING, SCHEMA_INCOMPATIBLE, what the registry throws.
 */
export async function openEventSource(
  broker: Pick<Broker, "describeTopics">,
  registry: SchemaRegistry,
  spec: SourceSpec,
): Promise<EventSource> {
  const { topic, format, partitionField, timeField, recordTime } = spec;
  const [described] = await broker.describeTopics([topic]);
  if (described === undefined) throw new MillraceError("EVENT_TOPIC_MISSING", { topic });
  const { partitions } = described;
  const encoder = await sourceEncoder(registry, spec);
  const decoder = sourceDecoder(registry, spec);
  const bytes = new ByteWriter();
  const record = eventRecord(format);
  const bounds = new RecordBounds([[partitionField]]);
  // Looked up once: decoding an event then never waits.
  const { schemaId } = encoder;
  if (schemaId !== null) await decoder.resolve(schemaId);

  return {
    topic,
    encode: (value, now) => {
      bytes.reset();
      try {
        encoder.encode(record(value), bytes);
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        throw new EventMisfit(String(error.context["reason"] ?? error.message), { cause: error });
      }
      const written = bytes.take();
      const around = { timestampMs: now, schemaHeader: null };
      const read = decoder.decode(written, 0, written.length, around);
      if (read.kind === "failed") throw new EventMisfit(read.reason);
      if (read.kind === "need-schema") throw new RangeError("the schema was not looked up");
      const time = read.value[timeField];
      if (!Number.isSafeInteger(time) || (time as number) <= 0) {
        throw new EventMisfit(`${timeField}: ${errorMessage("EVENT_TIME_MISSING", {})}`);
      }
      if ((time as number) > now + liveMostAheadMs) {
        const facts = { eventTime: timeText(time as number), why: "more than 1h beyond the clock" };
        throw new EventMisfit(`${timeField}: ${errorMessage("EVENT_TIME_AHEAD", facts)}`);
      }
      const large = bounds.judge(read.value);
      const limits = { keyLimitBytes, textLimitBytes, recordLimitBytes };
      if (large !== null) throw new EventMisfit(errorMessage(large, limits));
      const key = Buffer.from(String(read.value[partitionField]), "utf8");
      if (key.length + written.length > recordLimitBytes) {
        throw new EventMisfit(errorMessage("RECORD_OVERSIZE", limits));
      }
      const partition = partitionOf(key.toString("utf8"), partitions);
      const timestamp = recordTime === true ? now : (time as number);
      return { partition, key, value: written, timestamp };
    },
  };
}
