import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import { crc32c } from "../record-batch/crc32c.ts";
import {
  batchSizeAt,
  controlBit,
  lastOffsetAt,
  layout,
  readInt64,
  transactionalBit,
} from "../record-batch/layout.ts";
import { isAbortMarker } from "../record-batch/reader.ts";
import type { TopicEntry } from "./broker-state.ts";
import { baseOffsetOf, FileSegment } from "./file-segment.ts";
import { wholeBatchAt } from "./log-segment.ts";
import type { LogCheckpoint, LogState } from "./partition-log.ts";
import type { Storage } from "./storage.ts";
import type { TailCache } from "./tail-cache.ts";

/** All checkpoints of a directory, by `topic number/partition`. */
export type Checkpoints = Readonly<Record<string, LogCheckpoint>>;

/** What a log needs to be opened. */
export interface FoundLog {
  readonly segments: FileSegment[];
  /** False when the checkpoint knows the last segment to be closed. */
  readonly appendsToLast: boolean;
  readonly state: LogState;
}

interface SegmentSize {
  readonly baseOffset: number;
  readonly sizeBytes: number;
}

/** Read at once when a log is looked through. */
const scanBytes = 1024 * 1024;

export function partitionDirectory(root: string, topic: TopicEntry, partition: number): string {
  return join(root, "topics", `${topic.name}-${topic.number}`, String(partition));
}

/**
 * Finds what there is of a log: its segments, and by looking through what was written since the
 * checkpoint, its end and its transactions. Bytes behind the last whole batch are cut off: a crash
 * tore them, so nobody was told of them.
 */
export function findLog(
  directory: string,
  startOffset: number,
  written: LogCheckpoint | undefined,
  storage: Storage,
  cache: TailCache,
): FoundLog {
  const found = segmentSizes(directory);
  const checkpoint = fits(written, found, startOffset) ? written : undefined;
  const state = stateOf(checkpoint);
  const segments: FileSegment[] = [];
  let appendsToLast = false;
  for (const [index, { baseOffset, sizeBytes }] of found.entries()) {
    const segment = new FileSegment(directory, baseOffset, sizeBytes, storage, cache);
    const next = found[index + 1]?.baseOffset;
    const below = next !== undefined && next <= startOffset;
    if (below && !storage.readOnly) {
      segment.drop();
      continue;
    }
    const from = scanFrom(checkpoint, baseOffset);
    if (from !== null) scan(segment, from, next === undefined, state);
    appendsToLast = next === undefined && from !== null;
    if (!appendsToLast && !storage.readOnly) segment.seal();
    segments.push(segment);
  }
  return { segments, appendsToLast, state };
}

function stateOf(checkpoint: LogCheckpoint | undefined): LogState {
  const state: LogState = { nextOffset: checkpoint?.nextOffset ?? 0, open: new Map(), aborted: [] };
  for (const [producerId, firstOffset, epoch] of checkpoint?.open ?? []) {
    state.open.set(producerId, { firstOffset, epoch });
  }
  for (const [producerId, firstOffset, lastOffset] of checkpoint?.aborted ?? []) {
    state.aborted.push({ producerId, firstOffset, lastOffset });
  }
  return state;
}

/** Where to begin to look, or null when the checkpoint knows the whole segment. */
function scanFrom(checkpoint: LogCheckpoint | undefined, baseOffset: number): number | null {
  if (checkpoint === undefined) return 0;
  const { segment, position, nextOffset } = checkpoint;
  if (baseOffset === segment) return position;
  return baseOffset >= (segment ?? nextOffset) ? 0 : null;
}

/** Whether the files hold what a checkpoint says: a power cut may keep it and not them. */
function fits(
  checkpoint: LogCheckpoint | undefined,
  found: readonly SegmentSize[],
  startOffset: number,
): boolean {
  if (checkpoint === undefined) return true;
  const { segment, position, nextOffset } = checkpoint;
  const isActive = ({ baseOffset }: SegmentSize) => baseOffset === segment;
  const file = segment === null ? found.at(-1) : found.find(isActive);
  return file === undefined ? startOffset >= nextOffset : file.sizeBytes >= position;
}

function segmentSizes(directory: string): SegmentSize[] {
  const found: SegmentSize[] = [];
  for (const name of namesIn(directory)) {
    const baseOffset = baseOffsetOf(name);
    if (baseOffset === null) continue;
    found.push({ baseOffset, sizeBytes: statSync(join(directory, name)).size });
  }
  return found.sort((a, b) => a.baseOffset - b.baseOffset);
}

/** Takes in the batches from a position on; ends the segment where they end. */
function scan(segment: FileSegment, from: number, last: boolean, state: LogState): void {
  let position = from;
  while (position < segment.sizeBytes) {
    const end = takeBatches(segment.readUnchecked(position, scanBytes), state);
    if (end === 0) break;
    position += end;
  }
  if (position === segment.sizeBytes) return;
  // Only the end of the last segment can have been torn: what is behind it was written later.
  if (!last) throw segment.damaged(position, "the log is damaged");
  segment.endAt(position);
}

/** Returns how many bytes were whole, undamaged batches that go on from the log's end. */
function takeBatches(bytes: Buffer, state: LogState): number {
  let at = 0;
  while (wholeBatchAt(bytes, at)) {
    const end = at + batchSizeAt(bytes, at);
    const offset = readInt64(bytes, at + layout.baseOffset);
    const stored = bytes.readUInt32BE(at + layout.crc);
    if (offset < state.nextOffset || bytes[at + layout.magic] !== 2) break;
    if (crc32c(bytes, at + layout.attributes, end) !== stored) break;
    takeTransaction(bytes, at, offset, state);
    state.nextOffset = lastOffsetAt(bytes, at) + 1;
    at = end;
  }
  return at;
}

function takeTransaction(bytes: Buffer, at: number, offset: number, state: LogState): void {
  const attributes = bytes.readInt16BE(at + layout.attributes);
  if ((attributes & transactionalBit) === 0) return;
  const producerId = readInt64(bytes, at + layout.producerId);
  const open = state.open.get(producerId);
  if ((attributes & controlBit) === 0) {
    const epoch = bytes.readInt16BE(at + layout.epoch);
    if (open === undefined) state.open.set(producerId, { firstOffset: offset, epoch });
    return;
  }
  if (open === undefined) return;
  state.open.delete(producerId);
  if (!isAbortMarker(bytes, at)) return;
  state.aborted.push({ producerId, firstOffset: open.firstOffset, lastOffset: offset });
}

/** The checkpoints of a directory; none when the file is missing or damaged. */
export function readCheckpoints(path: string): Checkpoints {
  try {
    const [checksum, body] = splitLine(readFileSync(path, "utf8"));
    if (crc32c(Buffer.from(body)) !== Number(checksum)) return {};
    return JSON.parse(body) as Checkpoints;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

export function writeCheckpoints(storage: Storage, path: string, all: Checkpoints): void {
  const body = JSON.stringify(all);
  const content = Buffer.from(`${crc32c(Buffer.from(body))}\n${body}`);
  storage.replace(["checkpoint-write", "checkpoint-rename"], path, content);
}

/**
 * Removes the folders of topics that were deleted in a crash.
 *
 * @param nextNumber - the first that no topic of the journal has had.
 * @throws {MillraceError} STORAGE_DAMAGED when the journal has lost topics that have folders.
 */
export function removeDeletedTopics(
  topics: ReadonlyMap<number, TopicEntry>,
  nextNumber: number,
  storage: Storage,
): void {
  const { directory } = storage;
  for (const name of namesIn(join(directory, "topics"))) {
    const number = Number(/-(\d+)$/.exec(name)?.[1]);
    if (number >= nextNumber) {
      const reason = `the journal does not know the topic of the folder ${name}`;
      throw new MillraceError("STORAGE_DAMAGED", { directory, reason });
    }
    const deleted = number < nextNumber && !topics.has(number);
    if (deleted && !storage.readOnly) storage.remove(join(directory, "topics", name));
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function splitLine(text: string): [string, string] {
  const end = text.indexOf("\n");
  return [text.slice(0, end), text.slice(end + 1)];
}
