import type { RecordBatch } from "../broker.ts";
import { crc32c } from "./crc32c.ts";
import { controlBit, layout, lengthPrefixBytes, transactionalBit, writeInt64 } from "./layout.ts";

export interface RecordBatchBuilderOptions {
  /** Bytes allocated up front; the buffer doubles when it is full. @default 4096 */
  readonly initialBytes?: number;
}

/** A header of a record; Kafka's own headers hold UTF-8 keys and any bytes. */
export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** Beyond the year 73,000 either way: deltas and their zigzag form stay exact. */
const maxTimestampMs = 2 ** 51;

/** Shorter slices are copied byte by byte, which is faster than a view and a native copy. */
const shortSliceBytes = 48;

/**
 * Builds record batches of magic 2, uncompressed, one after the other in one buffer. Base offset 0;
 * producer id, epoch, sequence and CRC are left to {@link finishBatch}.
 *
 * Timestamps are integers of at most 2^51 either way, in any order.
 *
 * @see KIP-98, "Message format".
 */
export class RecordBatchBuilder {
  #buffer: Buffer;
  #position: number = layout.records;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  constructor(options: RecordBatchBuilderOptions = {}) {
    this.#buffer = Buffer.allocUnsafe(Math.max(options.initialBytes ?? 4096, layout.records));
  }

  /** Records appended since the last reset. */
  get count(): number {
    return this.#count;
  }

  /** Size of the batch as it stands, header included. */
  get sizeBytes(): number {
    return this.#position;
  }

  /** @throws {RangeError} when the timestamp is not an integer in range. */
  append(
    key: Uint8Array | null,
    value: Uint8Array | null,
    timestampMs: number,
    headers?: readonly RecordHeader[],
  ): void {
    const encoded =
      headers === undefined || headers.length === 0 ? noHeaders : encodeHeaders(headers);
    const keys = key ?? nothing;
    const values = value ?? nothing;
    const keyBytes = key === null ? -1 : keys.length;
    const valueBytes = value === null ? -1 : values.length;
    this.#record(keys, 0, keyBytes, values, 0, valueBytes, timestampMs, encoded);
  }

  /**
   * Appends `keys[keyStart, keyEnd)` and `values[valueStart, valueEnd)`; a start of −1 is a null.
   *
   * @throws {RangeError} when the timestamp is not an integer in range.
   */
  appendSlices(
    keys: Uint8Array,
    keyStart: number,
    keyEnd: number,
    values: Uint8Array,
    valueStart: number,
    valueEnd: number,
    timestampMs: number,
  ): void {
    const keyBytes = keyStart < 0 ? -1 : keyEnd - keyStart;
    const valueBytes = valueStart < 0 ? -1 : valueEnd - valueStart;
    this.#record(keys, keyStart, keyBytes, values, valueStart, valueBytes, timestampMs, noHeaders);
  }

  /**
   * The batch so far, in a buffer of its own that the caller keeps. Appending may go on.
   *
   * @throws {RangeError} when it holds no record: Kafka has no empty batches.
   */
  build(): RecordBatch {
    if (this.#count === 0) throw new RangeError("a record batch holds at least one record");
    const encoded = Buffer.allocUnsafe(this.#position);
    this.#buffer.copy(encoded, layout.records, layout.records, this.#position);
    writeHeader(encoded, this.#count, this.#baseTimestamp, this.#maxTimestamp, 0);
    return { encoded, count: this.#count };
  }

  reset(): void {
    this.#position = layout.records;
    this.#count = 0;
  }

  /**
   * Starts over like {@link reset}, and gives back what a burst has grown: a buffer above
   * `keptBytes` of which less than a quarter was used is halved.
   */
  recycle(keptBytes: number): void {
    const { length } = this.#buffer;
    if (length > keptBytes && this.#position < length / 4) {
      this.#buffer = Buffer.allocUnsafe(Math.max(keptBytes, length / 2));
    }
    this.reset();
  }

  /** Writes a record; lengths of −1 are nulls. */
  #record(
    keys: Uint8Array,
    keyStart: number,
    keyBytes: number,
    values: Uint8Array,
    valueStart: number,
    valueBytes: number,
    timestampMs: number,
    headers: Uint8Array,
  ): void {
    if (!Number.isInteger(timestampMs) || Math.abs(timestampMs) > maxTimestampMs) {
      throw new RangeError(`the timestamp ${timestampMs} of a record is not an integer in range`);
    }
    if (this.#count === 0) {
      this.#baseTimestamp = timestampMs;
      this.#maxTimestamp = timestampMs;
    } else if (timestampMs > this.#maxTimestamp) this.#maxTimestamp = timestampMs;
    const delta = zigzag(timestampMs - this.#baseTimestamp);
    const offsetDelta = this.#count * 2;
    const keyLength = zigzag(keyBytes);
    const valueLength = zigzag(valueBytes);
    const body =
      1 +
      varintBytes(delta) +
      varintBytes(offsetDelta) +
      varintBytes(keyLength) +
      Math.max(keyBytes, 0) +
      varintBytes(valueLength) +
      Math.max(valueBytes, 0) +
      headers.length;
    const most = this.#position + body + 10;
    if (most > this.#buffer.length) this.#grow(most);
    this.#varint(body * 2);
    this.#buffer[this.#position++] = 0;
    this.#varint(delta);
    this.#varint(offsetDelta);
    this.#varint(keyLength);
    this.#copy(keys, keyStart, keyBytes);
    this.#varint(valueLength);
    this.#copy(values, valueStart, valueBytes);
    this.#copy(headers, 0, headers.length);
    this.#count++;
  }

  #copy(source: Uint8Array, start: number, bytes: number): void {
    const target = this.#buffer;
    let at = this.#position;
    if (bytes < shortSliceBytes) {
      const end = start + bytes;
      for (let from = start; from < end; from++) target[at++] = source[from] as number;
    } else {
      const whole = bytes === source.length;
      target.set(whole ? source : source.subarray(start, start + bytes), at);
      at += bytes;
    }
    this.#position = at;
  }

  /** An unsigned varint of at most 2^53. */
  #varint(value: number): void {
    const target = this.#buffer;
    let at = this.#position;
    let rest = value;
    while (rest > 0x7fffffff) {
      target[at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      target[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    target[at++] = rest;
    this.#position = at;
  }

  #grow(bytes: number): void {
    const grown = Buffer.allocUnsafe(Math.max(bytes, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#position);
    this.#buffer = grown;
  }
}

/** What a producer stamps on a batch before it is sent. */
export interface BatchStamp {
  /** @default 0: the broker gives it */
  readonly baseOffset?: number;
  /** −1: none. */
  readonly producerId: number;
  readonly epoch: number;
  /** Sequence number of the first record, below 2^31. */
  readonly sequence: number;
  readonly transactional: boolean;
}

/** Stamps a batch in place and computes its CRC. */
export function finishBatch(encoded: Buffer, stamp: BatchStamp): void {
  writeInt64(encoded, stamp.baseOffset ?? 0, layout.baseOffset);
  const attributes = encoded.readInt16BE(layout.attributes) & ~transactionalBit;
  encoded.writeInt16BE(
    stamp.transactional ? attributes | transactionalBit : attributes,
    layout.attributes,
  );
  writeInt64(encoded, stamp.producerId, layout.producerId);
  encoded.writeInt16BE(stamp.epoch, layout.epoch);
  encoded.writeInt32BE(stamp.sequence, layout.baseSequence);
  encoded.writeUInt32BE(crc32c(encoded, layout.attributes, encoded.length), layout.crc);
}

/** The batch that ends a producer's transaction in one partition, finished but for its offset. */
export function controlBatch(
  kind: "commit" | "abort",
  producerId: number,
  epoch: number,
  timestampMs: number,
): Buffer {
  const builder = new RecordBatchBuilder({ initialBytes: 96 });
  const key = Buffer.alloc(4);
  key.writeInt16BE(kind === "commit" ? 1 : 0, 2);
  builder.append(key, Buffer.alloc(6), timestampMs);
  const { encoded } = builder.build();
  encoded.writeInt16BE(controlBit, layout.attributes);
  finishBatch(encoded, { producerId, epoch, sequence: -1, transactional: true });
  return encoded;
}

const nothing = new Uint8Array(0);
const noHeaders = new Uint8Array(1);

function writeHeader(
  encoded: Buffer,
  count: number,
  baseTimestamp: number,
  maxTimestamp: number,
  attributes: number,
): void {
  writeInt64(encoded, 0, layout.baseOffset);
  encoded.writeInt32BE(encoded.length - lengthPrefixBytes, layout.batchLength);
  encoded.writeInt32BE(-1, layout.leaderEpoch);
  encoded[layout.magic] = 2;
  encoded.writeUInt32BE(0, layout.crc);
  encoded.writeInt16BE(attributes, layout.attributes);
  encoded.writeInt32BE(count - 1, layout.lastOffsetDelta);
  writeInt64(encoded, baseTimestamp, layout.baseTimestamp);
  writeInt64(encoded, maxTimestamp, layout.maxTimestamp);
  writeInt64(encoded, -1, layout.producerId);
  encoded.writeInt16BE(-1, layout.epoch);
  encoded.writeInt32BE(-1, layout.baseSequence);
  encoded.writeInt32BE(count, layout.recordCount);
}

function zigzag(value: number): number {
  return value < 0 ? value * -2 - 1 : value * 2;
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  let bytes = 5;
  for (let rest = Math.floor(value / 0x8_0000_0000); rest > 0; rest = Math.floor(rest / 128)) {
    bytes++;
  }
  return bytes;
}

function encodeHeaders(headers: readonly RecordHeader[]): Buffer {
  const parts: Uint8Array[] = [varintOf(headers.length * 2)];
  for (const { key, value } of headers) {
    const name = Buffer.from(key, "utf8");
    parts.push(varintOf(name.length * 2), name);
    if (value === null) parts.push(varintOf(1));
    else parts.push(varintOf(value.length * 2), value);
  }
  return Buffer.concat(parts);
}

function varintOf(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
