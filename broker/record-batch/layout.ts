/**
 * Byte positions of the header of a record batch, magic 2, big endian.
 *
 * @see KIP-98 and the Kafka protocol guide, "Record Batch".
 */
export const layout = {
  baseOffset: 0,
  /** Bytes that follow this field. */
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  /** The CRC covers everything from here on. */
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  epoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const;

/** Bytes in front of what `batchLength` counts. */
export const lengthPrefixBytes = 12;

/** Bits of the attributes. */
export const compressionMask = 0x07;
export const transactionalBit = 0x10;
export const controlBit = 0x20;

const twoTo32 = 0x1_0000_0000;

/** A signed 64-bit field as a number, exact to 2^53. */
export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * twoTo32 + buffer.readUInt32BE(at + 4);
}

/** Writes an integer of at most 2^53 as a signed 64-bit field. */
export function writeInt64(buffer: Buffer, value: number, at: number): void {
  const high = Math.floor(value / twoTo32);
  buffer.writeInt32BE(high, at);
  buffer.writeUInt32BE(value - high * twoTo32, at + 4);
}

/** Whole size in bytes of the batch at a position whose header is in the buffer. */
export function batchSizeAt(buffer: Buffer, at: number): number {
  return lengthPrefixBytes + buffer.readInt32BE(at + layout.batchLength);
}

/** Offset of the last record of the batch at a position (kept by compaction). */
export function lastOffsetAt(buffer: Buffer, at: number): number {
  return (
    readInt64(buffer, at + layout.baseOffset) + buffer.readInt32BE(at + layout.lastOffsetDelta)
  );
}
