import { errorOf, MillraceError } from "../../schemas/errors.ts";
import type { AbortedTransaction, FetchedPartition, FetchRequest } from "../broker.ts";
import { inflateRecords } from "./codec.ts";
import { crc32c } from "./crc32c.ts";
import {
  batchSizeAt,
  compressionMask,
  controlBit,
  layout,
  readInt64,
  transactionalBit,
} from "./layout.ts";

export interface RecordReaderOptions {
  /** Whether the CRC of every batch is compared. @default false */
  readonly checkCrc?: boolean;
}

const empty = Buffer.alloc(0);
const noAborted: readonly AbortedTransaction[] = [];

/**
 * Reads the records of a fetched partition one after the other, lazily: the fields describe the
 * record under the reader and change with {@link next}. Nothing is allocated per record. Records
 * below the offset asked for, control batches and, at read_committed, records of aborted
 * transactions are passed over; a cut-off last batch is ignored.
 */
export class RecordReader {
  /** Offset of the record. */
  offset = -1;
  timestampMs = 0;
  /** Where key and value stand; another one after each compressed batch. */
  buffer: Buffer = empty;
  /** −1: the key is null. */
  keyStart = -1;
  keyEnd = -1;
  /** −1: the value is null. */
  valueStart = -1;
  valueEnd = -1;
  /** Of the batch; −1 when it has none. */
  producerId = -1;
  /** Behind the record under the reader; once exhausted, behind control and aborted ones too. */
  nextOffset = 0;
  /** The record's bytes, its length in front included, and the header of its batch. */
  recordStart = 0;
  recordEnd = 0;
  batchStart = -1;

  readonly #checkCrc: boolean;
  readonly #abortedNow = new Set<number>();
  #fetched: FetchedPartition | null = null;
  #records: Buffer = empty;
  #from = 0;
  #nextBatch = 0;
  #aborted: readonly AbortedTransaction[] = noAborted;
  #abortedNext = 0;
  #position = 0;
  #headersAt = 0;
  #end = 0;
  #remaining = 0;
  #baseOffset = 0;
  #baseTimestamp = 0;
  #appendTime = false;
  #batchNextOffset = 0;

  constructor(options: RecordReaderOptions = {}) {
    this.#checkCrc = options.checkCrc ?? false;
  }

  open(fetched: FetchedPartition, isolation: FetchRequest["isolation"]): void {
    this.#fetched = fetched;
    this.#records = fetched.records;
    this.#from = fetched.offset;
    this.#nextBatch = 0;
    this.#remaining = 0;
    this.#batchNextOffset = fetched.offset;
    this.nextOffset = fetched.offset;
    this.batchStart = -1;
    this.#abortedNow.clear();
    this.#abortedNext = 0;
    // Brokers list them in the order of their ends; they are needed in the order of their starts.
    this.#aborted =
      isolation === "read_committed" && fetched.aborted.length > 0
        ? [...fetched.aborted].sort((a, b) => a.firstOffset - b.firstOffset)
        : noAborted;
  }

  /**
   * Moves to the next record; false at the end.
   *
   * @throws {MillraceError} RECORD_BATCH_CORRUPT, RECORD_BATCH_UNSUPPORTED.
   */
  next(): boolean {
    for (;;) {
      if (this.#remaining === 0) {
        if (this.#batchNextOffset > this.nextOffset) this.nextOffset = this.#batchNextOffset;
        if (!this.#openBatch()) {
          this.#letGo();
          return false;
        }
        continue;
      }
      this.#remaining--;
      this.#readRecord();
      if (this.offset < this.#from) continue;
      this.nextOffset = this.offset + 1;
      return true;
    }
  }

  /** A reader may rest for long: at the end it holds the bytes no more. */
  #letGo(): void {
    this.#fetched = null;
    this.#records = empty;
    this.buffer = empty;
  }

  /**
   * The headers of the record under the reader; values are copies.
   *
   * @throws {MillraceError} RECORD_BATCH_CORRUPT.
   */
  headers(): { key: string; value: Buffer | null }[] {
    this.#position = this.#headersAt;
    const list: { key: string; value: Buffer | null }[] = [];
    const count = this.#zigzag();
    for (let index = 0; index < count && this.#position < this.recordEnd; index++) {
      const keyLength = this.#zigzag();
      if (keyLength < 0) this.#corrupt("a header has no key");
      const keyStart = this.#position;
      this.#position += keyLength;
      const key = this.buffer.toString("utf8", keyStart, this.#position);
      const valueLength = this.#zigzag();
      const valueStart = this.#position;
      if (valueLength >= 0) this.#position += valueLength;
      if (this.#position > this.recordEnd) this.#corrupt("a header runs beyond its record");
      const value =
        valueLength < 0 ? null : Buffer.from(this.buffer.subarray(valueStart, this.#position));
      list.push({ key, value });
    }
    this.#position = this.recordEnd;
    return list;
  }

  /**
   * Value of the header that names the schema of the value, a view; null: there is none. Costs
   * nothing where a record has no headers.
   *
   * @throws {MillraceError} RECORD_BATCH_CORRUPT.
   */
  get schemaHeader(): Buffer | null {
    if (this.buffer[this.#headersAt] === 0) return null;
    this.#position = this.#headersAt;
    let found: Buffer | null = null;
    for (let left = this.#zigzag(); left > 0 && this.#position < this.recordEnd; left--) {
      const keyStart = this.#position + zigzagBytes(this.buffer, this.#position);
      const keyEnd = keyStart + this.#zigzag();
      this.#position = keyEnd;
      const length = this.#zigzag();
      const start = this.#position;
      if (length > 0) this.#position += length;
      if (keyEnd < keyStart || this.#position > this.recordEnd) {
        this.#corrupt("a header runs beyond its record");
      }
      const isSchema = this.buffer.compare(schemaHeaderKey, 0, undefined, keyStart, keyEnd) === 0;
      // Of several the last counts, as for Java's clients.
      if (isSchema && length >= 0) found = this.buffer.subarray(start, this.#position);
    }
    this.#position = this.recordEnd;
    return found;
  }

  #readRecord(): void {
    this.recordStart = this.#position;
    const length = this.#zigzag();
    const end = this.#position + length;
    if (length < 6 || end > this.#end) this.#corrupt("a record runs beyond its batch");
    this.#position++;
    const timestampDelta = this.#zigzag();
    if (!this.#appendTime) this.timestampMs = this.#baseTimestamp + timestampDelta;
    this.offset = this.#baseOffset + this.#zigzag();
    const keyLength = this.#zigzag();
    if (keyLength < 0) {
      this.keyStart = -1;
      this.keyEnd = -1;
    } else {
      this.keyStart = this.#position;
      this.#position += keyLength;
      this.keyEnd = this.#position;
    }
    const valueLength = this.#zigzag();
    if (valueLength < 0) {
      this.valueStart = -1;
      this.valueEnd = -1;
    } else {
      this.valueStart = this.#position;
      this.#position += valueLength;
      this.valueEnd = this.#position;
    }
    this.#headersAt = this.#position;
    if (this.#position >= end) this.#corrupt("a key or value runs beyond its record");
    this.recordEnd = end;
    this.#position = end;
  }

  /** Moves to the next batch that has records for the caller. */
  #openBatch(): boolean {
    const records = this.#records;
    for (;;) {
      const start = this.#nextBatch;
      if (start + layout.records > records.length) return false;
      const end = start + batchSizeAt(records, start);
      const magic = records[start + layout.magic];
      if (magic !== 2) this.#unsupportedMagic(magic);
      if (end < start + layout.records) this.#corrupt("a batch is shorter than its header");
      if (end > records.length) return false;
      this.#nextBatch = end;
      this.batchStart = start;
      this.#baseOffset = readInt64(records, start + layout.baseOffset);
      if (this.#checkCrc) this.#compareCrc(start, end);
      const last = this.#baseOffset + records.readInt32BE(start + layout.lastOffsetDelta);
      this.#batchNextOffset = last + 1;
      this.producerId = readInt64(records, start + layout.producerId);
      const attributes = records.readInt16BE(start + layout.attributes);
      this.#activateAborted(last);
      if ((attributes & controlBit) !== 0) {
        if (isAbortMarker(records, start)) this.#abortedNow.delete(this.producerId);
      } else if (last >= this.#from && !this.#isAborted(attributes)) {
        this.#startRecords(start, end, attributes);
        return true;
      }
      if (last + 1 > this.nextOffset) this.nextOffset = last + 1;
    }
  }

  #startRecords(start: number, end: number, attributes: number): void {
    const records = this.#records;
    const codec = attributes & compressionMask;
    this.#remaining = records.readInt32BE(start + layout.recordCount);
    if (this.#remaining < 0) this.#corrupt("a batch has a negative number of records");
    this.#baseTimestamp = readInt64(records, start + layout.baseTimestamp);
    // Bit 3: the broker's time of appending, which is the maximum, holds for every record.
    this.#appendTime = (attributes & 0x08) !== 0;
    if (this.#appendTime) this.timestampMs = readInt64(records, start + layout.maxTimestamp);
    if (codec === 0) {
      this.buffer = records;
      this.#position = start + layout.records;
      this.#end = end;
      return;
    }
    this.buffer = this.#inflate(codec, records.subarray(start + layout.records, end));
    this.#position = 0;
    this.#end = this.buffer.length;
  }

  #inflate(codec: number, packed: Buffer): Buffer {
    try {
      return inflateRecords(codec, packed);
    } catch (error) {
      if (!(error instanceof MillraceError)) this.#corrupt(`unpacking failed: ${String(error)}`);
      throw errorOf("RECORD_BATCH_UNSUPPORTED", { ...error.context, ...this.#place() });
    }
  }

  #activateAborted(lastOffset: number): void {
    const aborted = this.#aborted;
    while (this.#abortedNext < aborted.length) {
      const next = aborted[this.#abortedNext] as AbortedTransaction;
      if (next.firstOffset > lastOffset) return;
      this.#abortedNow.add(next.producerId);
      this.#abortedNext++;
    }
  }

  #isAborted(attributes: number): boolean {
    return (attributes & transactionalBit) !== 0 && this.#abortedNow.has(this.producerId);
  }

  #compareCrc(start: number, end: number): void {
    const stored = this.#records.readUInt32BE(start + layout.crc);
    if (crc32c(this.#records, start + layout.attributes, end) !== stored) {
      this.#corrupt("its checksum does not fit");
    }
  }

  /** A zigzag varint of at most 2^53 at the position, which moves behind it. */
  #zigzag(): number {
    const buffer = this.buffer;
    let byte = buffer[this.#position++] as number;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let low = byte & 0x7f;
    byte = buffer[this.#position++] as number;
    low |= (byte & 0x7f) << 7;
    if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
    byte = buffer[this.#position++] as number;
    low |= (byte & 0x7f) << 14;
    if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
    return this.#longZigzag(low);
  }

  #longZigzag(low: number): number {
    let value = low;
    let factor = 0x20_0000;
    for (let count = 3; count < 10; count++) {
      const byte = this.buffer[this.#position++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
    return this.#corrupt("a number is too long");
  }

  #place() {
    const { topic = "?", partition = -1 } = this.#fetched ?? {};
    return { topic, partition, offset: this.#baseOffset };
  }

  #corrupt(reason: string): never {
    throw new MillraceError("RECORD_BATCH_CORRUPT", { ...this.#place(), reason });
  }

  #unsupportedMagic(magic: number | undefined): never {
    throw new MillraceError("RECORD_BATCH_UNSUPPORTED", {
      codec: `message format ${magic}`,
      ...this.#place(),
    });
  }
}

/** Of Confluent's serializers, where the id of a schema stands in a header. */
const schemaHeaderKey = Buffer.from("__value_schema_id");

function zigzagBytes(buffer: Buffer, at: number): number {
  let end = at;
  while ((buffer[end] ?? 0) >= 0x80) end++;
  return end + 1 - at;
}

/** Whether a control batch is an abort marker: its record's key is i16 version, i16 type 0. */
export function isAbortMarker(records: Buffer, start: number): boolean {
  let at = start + layout.records;
  // Length, attributes, timestamp delta, offset delta, key length: all but the attributes varints.
  for (let field = 0; field < 5; field++) {
    if (field === 1) at++;
    else while ((records[at++] ?? 0) >= 0x80);
  }
  return at + 4 <= records.length && records.readInt16BE(at + 2) === 0;
}
