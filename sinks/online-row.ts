import { createHash } from "node:crypto";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { MillraceError } from "../schemas/errors.ts";
import { type FeatureRow, readRow, writeRow } from "../schemas/row.ts";

/**
 * A row as it stands in an online store, little endian: u8 layout, 8 bytes of the topic's id
 * (its sha256), f64 offset, then the row of `schemas/row.ts`. Redis's script compares the first
 * three without reading the rest.
 */
const layout = 1;
const headerBytes = 17;

/** What decides between two writes of one key: the topic's id and the offset in it. */
export interface OnlineFence {
  readonly topic: bigint;
  readonly offset: number;
}

/** Eight bytes that stand for the id of a topic, of any length. */
export function topicFence(topicId: string): bigint {
  return createHash("sha256").update(topicId).digest().readBigUInt64LE(0);
}

export function encodeOnlineRow(topic: bigint, offset: number, row: FeatureRow): Buffer {
  const writer = new ByteWriter(headerBytes + 24 + 8 * row.values.length);
  writer.u8(layout);
  writer.buffer.writeBigUInt64LE(topic, writer.reserve(8));
  writer.f64(offset);
  writeRow(writer, row);
  return writer.buffer.subarray(0, writer.position);
}

/** @throws {MillraceError} ONLINE_LAYOUT when another version of Millrace wrote it. */
export function decodeOnlineRow(stored: Buffer, where: string): FeatureRow {
  checkLayout(stored, where);
  const row = { served: 0, asOf: 0, seq: 0, validUntil: 0, values: new Float64Array() };
  readRow(new ByteReader(stored, headerBytes), row);
  return row;
}

/** Whether a write may replace what is stored: it is not older in the same topic. */
export function mayReplace(stored: Buffer, topic: bigint, offset: number): boolean {
  return stored.readBigUInt64LE(1) !== topic || stored.readDoubleLE(9) <= offset;
}

/** Progress of a partition: 8 bytes of the topic's id, f64 next offset, f64 progress. */
export function encodeProgress(topic: bigint, nextOffset: number, progress: number): Buffer {
  const stored = Buffer.alloc(24);
  stored.writeBigUInt64LE(topic, 0);
  stored.writeDoubleLE(nextOffset, 8);
  stored.writeDoubleLE(progress, 16);
  return stored;
}

/**
 * Progress to store over what stands there: within a topic it never falls, for a pump that has just
 * started does not know it yet.
 */
export function risenProgress(stored: Buffer, topic: bigint, progress: number): number {
  if (stored.readBigUInt64LE(0) !== topic) return progress;
  return Math.max(progress, stored.readDoubleLE(16));
}

export function decodeProgress(stored: Buffer | null | undefined): number {
  return stored ? stored.readDoubleLE(16) : Number.NEGATIVE_INFINITY;
}

/** Next offset of the flush that wrote the stored progress; null when it is of another topic. */
export function storedPosition(stored: Buffer | null | undefined, topicId: string): number | null {
  if (!stored || stored.readBigUInt64LE(0) !== topicFence(topicId)) return null;
  return stored.readDoubleLE(8);
}

/** Whether a flush is no older than the one that wrote the stored progress. */
export function mayAdvance(stored: Buffer, topic: bigint, nextOffset: number): boolean {
  return stored.readBigUInt64LE(0) !== topic || stored.readDoubleLE(8) <= nextOffset;
}

function checkLayout(stored: Buffer, where: string): void {
  const found = stored[0] ?? 0;
  if (found !== layout) {
    throw new MillraceError("ONLINE_LAYOUT", { where, found, expected: layout });
  }
}
