import { crc32c } from "../record-batch/crc32c.ts";
import {
  batchSizeAt,
  compressionMask,
  controlBit,
  lastOffsetAt,
  layout,
  lengthPrefixBytes,
  readInt64,
  transactionalBit,
} from "../record-batch/layout.ts";
import { RecordReader } from "../record-batch/reader.ts";
import { type LogSegment, wholeBatchAt } from "./log-segment.ts";
import type { PartitionLog } from "./partition-log.ts";

/** Read at once from a segment. */
const readBytes = 1024 * 1024;

/**
 * Keeps the last record of each key of a partition and drops tombstones, commit markers and aborted
 * records, in the closed segments that no open transaction reaches. Offsets stay as they are; the
 * last batch stays. Records without a key are dropped, as Kafka refuses them in such topics.
 *
 * Each segment is rewritten by itself, oldest first, so that a crash between two of them harms
 * nothing. Abort markers stay for one compaction more than what they hide: a log that is opened
 * after a crash may still list the transaction as aborted.
 */
export function compactLog(log: PartitionLog): void {
  const closed = closedSegments(log);
  const end = closedEnd(log, closed);
  const last = lastOffsetOfKeys(log, closed);
  for (const segment of closed) {
    const kept = keptBatches(log, segment, last);
    if (segment === closed.at(-1)) keepEnd(log, segment, kept);
    if (kept.length === 0) log.removeSegment(segment);
    else segment.rewrite(kept);
  }
  log.forgetAborted(end);
}

/** Segments whose records are all decided, but for the one being written. */
function closedSegments(log: PartitionLog): LogSegment[] {
  return log.closedSegments.filter((segment) => endOf(log, segment) <= log.stableOffset);
}

function closedEnd(log: PartitionLog, closed: readonly LogSegment[]): number {
  const last = closed.at(-1);
  return last === undefined ? 0 : endOf(log, last);
}

function endOf(log: PartitionLog, segment: LogSegment): number {
  return log.segments[log.segments.indexOf(segment) + 1]?.baseOffset ?? log.nextOffset;
}

function lastOffsetOfKeys(
  log: PartitionLog,
  segments: readonly LogSegment[],
): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  const reader = new RecordReader();
  for (const segment of segments) {
    for (const bytes of pieces(segment)) {
      openPiece(log, segment, reader, bytes);
      while (reader.next()) {
        const key = keyOf(reader);
        if (key === null) continue;
        // A tombstone takes its key out, and itself.
        last.set(key, reader.valueStart < 0 ? -1 : reader.offset);
      }
    }
  }
  return last;
}

function keptBatches(
  log: PartitionLog,
  segment: LogSegment,
  last: ReadonlyMap<string, number>,
): Buffer[] {
  const kept: Buffer[] = [];
  const reader = new RecordReader();
  for (const bytes of pieces(segment)) {
    const records = new Map<number, Buffer[]>();
    openPiece(log, segment, reader, bytes);
    while (reader.next()) {
      const key = keyOf(reader);
      if (key === null || last.get(key) !== reader.offset) continue;
      const record = reader.buffer.subarray(reader.recordStart, reader.recordEnd);
      const ofBatch = records.get(reader.batchStart);
      if (ofBatch === undefined) records.set(reader.batchStart, [record]);
      else ofBatch.push(record);
    }
    for (let at = 0; wholeBatchAt(bytes, at); at += batchSizeAt(bytes, at)) {
      const ofBatch = records.get(at);
      if (ofBatch !== undefined) kept.push(rewritten(bytes, at, ofBatch));
      else if (log.listsAbortAt(lastOffsetAt(bytes, at))) {
        kept.push(Buffer.from(bytes.subarray(at, at + batchSizeAt(bytes, at))));
      }
    }
  }
  return kept;
}

/** Readers go on to the end of the log, so its last batch stays, be it without records. */
function keepEnd(log: PartitionLog, segment: LogSegment, kept: Buffer[]): void {
  const last = kept.at(-1);
  if (last !== undefined && lastOffsetAt(last, 0) === log.nextOffset - 1) return;
  for (const bytes of pieces(segment)) {
    for (let at = 0; wholeBatchAt(bytes, at); at += batchSizeAt(bytes, at)) {
      if (lastOffsetAt(bytes, at) === log.nextOffset - 1) kept.push(rewritten(bytes, at, []));
    }
  }
}

/** The batch with some of its records, uncompressed and outside of transactions. */
function rewritten(source: Buffer, start: number, records: readonly Buffer[]): Buffer {
  const header = source.subarray(start, start + layout.records);
  const batch = Buffer.concat([header, ...records]);
  const attributes = batch.readInt16BE(layout.attributes);
  batch.writeInt32BE(batch.length - lengthPrefixBytes, layout.batchLength);
  const gone = transactionalBit | controlBit | compressionMask;
  batch.writeInt16BE(attributes & ~gone, layout.attributes);
  batch.writeInt32BE(records.length, layout.recordCount);
  batch.writeUInt32BE(crc32c(batch, layout.attributes), layout.crc);
  return batch;
}

/** The segment in pieces of whole batches. */
function* pieces(segment: LogSegment): Generator<Buffer> {
  for (let position = 0; position < segment.sizeBytes; ) {
    const bytes = segment.read(position, readBytes);
    let end = 0;
    while (wholeBatchAt(bytes, end)) end += batchSizeAt(bytes, end);
    if (end === 0) return;
    yield bytes.subarray(0, end);
    position += end;
  }
}

function openPiece(
  log: PartitionLog,
  segment: LogSegment,
  reader: RecordReader,
  bytes: Buffer,
): void {
  reader.open(
    {
      topic: log.topic,
      partition: log.partition,
      offset: Math.max(segment.baseOffset, log.startOffset),
      records: bytes,
      highWatermark: log.nextOffset,
      lastStableOffset: log.stableOffset,
      logStartOffset: log.startOffset,
      // A transaction that ended before these bytes would hide what its producer committed since.
      aborted: log.abortedWithin(readInt64(bytes, layout.baseOffset), bytes),
    },
    "read_committed",
  );
}

function keyOf(reader: RecordReader): string | null {
  if (reader.keyStart < 0) return null;
  return reader.buffer.toString("latin1", reader.keyStart, reader.keyEnd);
}
