import type { RefusedRecord, SourcePlace } from "../../processors/processor.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import type { DeadLetterCode, ErrorContext } from "../../schemas/errors.ts";
import { shortReason } from "../../schemas/plain-text.ts";
import type { AvroEncoder } from "../schema-registry/avro-codec.ts";
import type { CommitBatches } from "./commit-batches.ts";
import { keyLimitBytes, rejectionReason } from "./rejections.ts";

/** Where what a step derives goes when it is too large. */
export interface DeadLetterPlace {
  readonly topic: string;
  readonly partition: number;
  readonly encoder: AvroEncoder;
}

/** Whom it was meant for. */
interface Target {
  readonly topic: string;
  readonly partition: number;
  readonly maxBytes: number;
}

/** What is kept of a value that is too large, in bytes. */
const keptValueBytes = 64 * 1024;

/** Headers that say which record of the source a dead letter of a step was made of, as text. */
export const sourceHeaders = Object.freeze({
  partition: "millrace.source.partition",
  offset: "millrace.source.offset",
});

/**
 * What a step has derived and nobody behind it takes: dead letters of the step, in the commit that
 * would have held it. They name the topic and the partition that it was meant for (0 where a record
 * came to no key), at offset −1.
 */
export class DerivedDeadLetters {
  readonly #step: string;
  readonly #place: DeadLetterPlace;
  readonly #value = new ByteWriter();
  readonly #waiting: { key: Buffer | null; value: Buffer; timestamp: number }[] = [];
  /** What waits for a commit. */
  bytes = 0;

  constructor(step: string, place: DeadLetterPlace) {
    this.#step = step;
    this.#place = place;
  }

  /** @param value - as it stands in a larger buffer: what is needed of it is copied. */
  addOversize(
    target: Target,
    key: string | null,
    value: Buffer,
    timestampMs: number,
    source?: SourcePlace,
  ): void {
    const facts = {
      sizeBytes: value.length,
      topic: target.topic,
      limitBytes: target.maxBytes,
      keptBytes: keptValueBytes,
    };
    const why = { code: "DERIVED_OVERSIZE", facts } as const;
    this.#add(why, target, key, value, timestampMs, source);
  }

  /** @param value - the record as text, of which the first bytes are kept. */
  addRefused(refused: RefusedRecord, target: Target, value: Buffer): void {
    this.#add(refused, target, refused.key, value, refused.knownAt, refused.source);
  }

  #add(
    { code, facts }: { readonly code: DeadLetterCode; readonly facts: ErrorContext },
    target: Target,
    key: string | null,
    value: Buffer,
    timestampMs: number,
    source: SourcePlace | undefined,
  ): void {
    const timestamp = Number.isFinite(timestampMs) ? Math.max(0, timestampMs) : 0;
    const keyBytes = key === null ? null : Buffer.from(key).subarray(0, keyLimitBytes);
    this.#value.reset();
    this.#place.encoder.encode(
      {
        topic: target.topic,
        partition: target.partition,
        offset: -1,
        timestamp,
        key: keyBytes,
        value: value.subarray(0, keptValueBytes),
        headers: source === undefined || source.offset < 0 ? [] : headersOf(source),
        schemaId: null,
        step: this.#step,
        code,
        reason: shortReason(rejectionReason(code, facts)),
      },
      this.#value,
    );
    const encoded = this.#value.take();
    this.#waiting.push({ key: keyBytes, value: encoded, timestamp });
    this.bytes += encoded.length;
  }

  collect(batches: CommitBatches): void {
    const { topic, partition } = this.#place;
    for (const { key, value, timestamp } of this.#waiting) {
      batches.append(topic, partition, key, value, timestamp);
    }
    this.#waiting.length = 0;
    this.bytes = 0;
  }
}

function headersOf({ partition, offset }: SourcePlace) {
  return [
    { key: sourceHeaders.partition, value: Buffer.from(String(partition)) },
    { key: sourceHeaders.offset, value: Buffer.from(String(offset)) },
  ];
}
