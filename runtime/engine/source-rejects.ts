import type { RecordReader } from "../../broker/record-batch/reader.ts";
import type { SourceProcessor } from "../../processors/source.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import type { DeadLetterCode } from "../../schemas/errors.ts";
import { shortReason } from "../../schemas/plain-text.ts";
import type { Subtopology } from "../../schemas/plan.ts";
import type { AvroEncoder } from "../schema-registry/avro-codec.ts";
import type { CommitBatches } from "./commit-batches.ts";
import { keyLimitBytes, rejectionReason } from "./rejections.ts";
import type { OutboxWiring } from "./task-outbox.ts";

export interface RejectsWiring extends OutboxWiring {
  readonly lateTopic: string;
}

/** Record timestamps that we can write: beyond lies what somebody wrote by mistake. */
const maxTimestampMs = 2 ** 51;

/** What a late record or a dead letter takes besides its bytes, about. */
const rejectOverheadBytes = 256;

/** What a dead letter takes besides key, value and headers, at most. */
const letterOverheadBytes = 4_096;

/**
 * What is kept of the value of a record that is larger than a dead letter may be; of its key, as
 * much as a key may have; no headers.
 */
const cutValueBytes = 1024 * 1024;

/** The records that a source task does not take, late and dead, until a commit has them. */
export class SourceRejects {
  readonly #subtopology: Subtopology;
  readonly #partition: number;
  readonly #lateTopic: string;
  readonly #lateEncoder: AvroEncoder;
  readonly #deadLetterTopic: string;
  readonly #deadLetterEncoder: AvroEncoder;
  readonly #deadLetterBytes: number;
  readonly #value = new ByteWriter();
  readonly #waiting: { topic: string; key: Buffer | null; value: Buffer; timestamp: number }[] = [];
  /** What waits for a commit. */
  bytes = 0;

  constructor(subtopology: Subtopology, partition: number, wiring: RejectsWiring) {
    this.#subtopology = subtopology;
    this.#partition = partition;
    this.#lateTopic = wiring.lateTopic;
    this.#lateEncoder = wiring.encoderOf(wiring.lateTopic);
    this.#deadLetterTopic = wiring.deadLetterTopic;
    this.#deadLetterEncoder = wiring.encoderOf(wiring.deadLetterTopic);
    this.#deadLetterBytes = wiring.recordBytesOf(wiring.deadLetterTopic) - letterOverheadBytes;
  }

  /** @param record - the fields of the record under the reader. */
  late(
    reader: RecordReader,
    record: Readonly<Record<string, unknown>>,
    { source, streamTime }: SourceProcessor,
  ): void {
    const eventTime = Number(record[source.timeField]);
    this.#value.reset();
    this.#lateEncoder.encode(
      {
        value: reader.buffer.subarray(reader.valueStart, reader.valueEnd),
        eventTime,
        streamTime,
        latenessMs: streamTime - eventTime,
        ...this.#origin(reader),
      },
      this.#value,
    );
    this.#add(this.#lateTopic, reader);
  }

  deadLetter(reader: RecordReader, code: DeadLetterCode, why = rejectionReason(code)): void {
    const { valueStart, valueEnd, buffer } = reader;
    const framed = valueStart >= 0 && valueEnd - valueStart >= 5 && buffer[valueStart] === 0;
    const origin = this.#origin(reader);
    const value = valueStart < 0 ? null : buffer.subarray(valueStart, valueEnd);
    const headers = reader.headers();
    const reason = shortReason(why);
    const size = sizeOf(origin.key) + sizeOf(value) + sizeOfHeaders(headers);
    const kept =
      size <= this.#deadLetterBytes
        ? { ...origin, value, headers, reason }
        : {
            ...origin,
            key: origin.key?.subarray(0, keyLimitBytes) ?? null,
            value: value?.subarray(0, cutValueBytes) ?? null,
            headers: [],
            reason: `${reason}; of its ${size} bytes the first of key and value are kept`,
          };
    const schemaId = framed ? buffer.readInt32BE(valueStart + 1) : null;
    this.#value.reset();
    const step = this.#subtopology.name;
    this.#deadLetterEncoder.encode({ ...kept, schemaId, step, code }, this.#value);
    this.#add(this.#deadLetterTopic, reader);
  }

  collect(batches: CommitBatches): void {
    for (const { topic, key, value, timestamp } of this.#waiting) {
      batches.append(topic, this.#partition, key, value, timestamp);
    }
    this.#waiting.length = 0;
    this.bytes = 0;
  }

  #origin(reader: RecordReader) {
    const { buffer, keyStart, keyEnd, offset } = reader;
    return {
      topic: this.#subtopology.inbox,
      partition: this.#partition,
      offset,
      timestamp: timestampOf(reader),
      key: keyStart < 0 ? null : buffer.subarray(keyStart, keyEnd),
    };
  }

  #add(topic: string, reader: RecordReader): void {
    const { buffer, keyStart, keyEnd } = reader;
    const end = Math.min(keyEnd, keyStart + keyLimitBytes);
    const key = keyStart < 0 ? null : Buffer.from(buffer.subarray(keyStart, end));
    const value = this.#value.take();
    this.#waiting.push({ topic, key, value, timestamp: timestampOf(reader) });
    this.bytes += value.length + sizeOf(key) + rejectOverheadBytes;
  }
}

function timestampOf({ timestampMs }: RecordReader): number {
  return Math.max(-maxTimestampMs, Math.min(maxTimestampMs, timestampMs));
}

function sizeOf(bytes: Buffer | null): number {
  return bytes?.length ?? 0;
}

/** With what each takes besides its name and value. */
function sizeOfHeaders(headers: ReturnType<RecordReader["headers"]>): number {
  return headers.reduce(
    (sum, { key, value }) => sum + Buffer.byteLength(key) + sizeOf(value) + 20,
    0,
  );
}
