import { setTimeout as sleep } from "node:timers/promises";
import type { Broker, FetchedPartition, FetchRequest } from "../../broker/broker.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Subtopology } from "../../schemas/plan.ts";
import { stateFingerprint } from "../../schemas/plan-parts.ts";
import type { CommitBatches } from "./commit-batches.ts";

/** Of the records here and of the state in them; see `dataFormat` for what raises it. */
const layoutVersion = 8;

/**
 * u8 layout version, u8 kind, u16 number of the part within its delta or snapshot, 8 bytes that
 * tell the definition of the step (`stateFingerprint`).
 */
const headerBytes = 12;
/** Where the definition stands. */
const definitionAt = 4;

/** Where a task keeps its state. */
export interface TaskChangelog {
  readonly topic: string;
  readonly partition: number;
  /** 8 bytes that tell what the state is of. */
  readonly definition: Buffer;
}
/** Body of one changelog record at most; a larger one is cut into parts. */
const partBytes = 256 * 1024;

const kinds = { deltaPart: 1, deltaEnd: 2, snapshotPart: 3, snapshotEnd: 4 } as const;

/** Where the task of a partition keeps its state. */
export function changelogOf(subtopology: Subtopology, partition: number): TaskChangelog {
  const definition = stateFingerprint(subtopology);
  return { topic: subtopology.changelog, partition, definition };
}

/**
 * Changelog record: a header, the body. The parts of a delta are
 * pieces of the log (`delta-log.ts`), each whole in itself; its end holds the positions of the
 * commit. The parts of a snapshot, joined, are the processor's state; its end holds the positions
 * it belongs to.
 */
export function writeDelta(
  batches: CommitBatches,
  to: TaskChangelog,
  parts: readonly Buffer[],
  positions: Buffer,
): number {
  let bytes = positions.length;
  let number = 0;
  for (const part of parts) {
    if (part.length === 0) continue;
    bytes += part.length;
    append(batches, to, kinds.deltaPart, number++, part);
  }
  append(batches, to, kinds.deltaEnd, number, positions);
  return bytes;
}

/** Returns the place of the snapshot's first record among the partition's records of the commit. */
export function writeSnapshot(
  batches: CommitBatches,
  to: TaskChangelog,
  state: Buffer,
  positions: Buffer,
): number {
  let first = -1;
  let number = 0;
  for (let start = 0; start < state.length || start === 0; start += partBytes) {
    const part = state.subarray(start, start + partBytes);
    const place = append(batches, to, kinds.snapshotPart, number++, part);
    if (first < 0) first = place;
  }
  append(batches, to, kinds.snapshotEnd, number, positions);
  return first;
}

function append(
  batches: CommitBatches,
  { topic, partition, definition }: TaskChangelog,
  kind: number,
  number: number,
  body: Buffer,
): number {
  const value = Buffer.allocUnsafe(body.length + headerBytes);
  value[0] = layoutVersion;
  value[1] = kind;
  value.writeUInt16LE(number, 2);
  definition.copy(value, definitionAt);
  body.copy(value, headerBytes);
  return batches.append(topic, partition, null, value, 0);
}

/** What a restoring task takes, in the order of the changelog. */
export interface Restorable {
  restoreSnapshot(state: Buffer, positions: Buffer): void;
  replayDelta(parts: readonly Buffer[]): void;
  /**
   * Positions of the last commit and the bytes of deltas since the snapshot; called once, at the
   * end, unless the changelog is empty.
   */
  restorePositions(positions: Buffer, deltaBytes: number): void;
}

export interface RestoreOptions {
  /** By then a transaction has ended, and its markers stand; ms. @default 60000 */
  readonly undecidedMs?: number;
}

/**
 * Restores one task: the last complete snapshot, then the deltas behind it. Reads to the stable end
 * of the partition as it is now; call it after fencing the previous owner. Returns whether there
 * was a commit to restore.
 *
 * @throws {MillraceError} LOG_UNDECIDED when it does not become stable; CHANGELOG_LAYOUT when
 * another build wrote the changelog; CHANGELOG_DEFINITION when it holds the state of another
 * definition.
 */
export async function restoreFromChangelog(
  broker: Broker,
  { topic, partition, definition }: TaskChangelog,
  task: Restorable,
  { undecidedMs = 60_000 }: RestoreOptions = {},
): Promise<boolean> {
  const end = await decidedEnd(broker, topic, partition, undecidedMs);
  const [start] = await broker.listOffsets([{ topic, partition, at: "earliest" }]);
  const reader = new RecordReader({ checkCrc: true });
  const replay = new Replay(task);
  for (let offset = start ?? 0; offset < end; offset = Math.max(offset, reader.nextOffset)) {
    const fetched = await readAt(broker, topic, partition, offset);
    if (fetched === undefined) continue;
    reader.open(fetched, "read_committed");
    while (reader.next()) {
      const { buffer, valueStart, valueEnd } = reader;
      const found = buffer[valueStart] as number;
      if (found !== layoutVersion) {
        const expected = layoutVersion;
        throw new MillraceError("CHANGELOG_LAYOUT", { topic, partition, found, expected });
      }
      const written = buffer.subarray(valueStart + definitionAt, valueStart + headerBytes);
      if (!written.equals(definition)) {
        const [was, expected] = [written.toString("hex"), definition.toString("hex")];
        throw new MillraceError("CHANGELOG_DEFINITION", { topic, partition, found: was, expected });
      }
      const body = Buffer.from(buffer.subarray(valueStart + headerBytes, valueEnd));
      replay.take(buffer[valueStart + 1] as number, buffer.readUInt16LE(valueStart + 2), body);
    }
  }
  return replay.end();
}

/**
 * Reads at an offset. Where a previous owner has deleted what is below its last snapshot meanwhile,
 * reads that snapshot.
 */
async function readAt(
  broker: Broker,
  topic: string,
  partition: number,
  offset: number,
): Promise<FetchedPartition | undefined> {
  const request = (from: number): FetchRequest => ({
    partitions: [{ topic, partition, offset: from, maxBytes: 4 * 1024 * 1024 }],
    isolation: "read_committed",
    maxWaitMs: 1000,
    maxBytes: 8 * 1024 * 1024,
  });
  try {
    return (await broker.fetch(request(offset)))[0];
  } catch (error) {
    const known = error instanceof MillraceError && error.code === "OFFSET_OUT_OF_RANGE";
    const logStart = known ? Number(error.context["logStart"]) : -1;
    if (logStart <= offset) throw error;
    return (await broker.fetch(request(logStart)))[0];
  }
}

/**
 * Puts parts together. Without transactions a process can die between two parts; what it left
 * begins again with part 0, and an end that does not find all its parts ends nothing.
 */
class Replay {
  readonly #task: Restorable;
  #parts: Buffer[] = [];
  #positions: Buffer | null = null;
  #deltaBytes = 0;

  constructor(task: Restorable) {
    this.#task = task;
  }

  take(kind: number, number: number, body: Buffer): void {
    if (number === 0) this.#parts = [];
    const whole = this.#parts.length === number;
    if (kind === kinds.deltaPart || kind === kinds.snapshotPart) {
      if (whole) this.#parts.push(body);
      return;
    }
    const parts = this.#parts;
    this.#parts = [];
    if (!whole) return;
    if (kind === kinds.deltaEnd) {
      this.#task.replayDelta(parts);
      for (const part of parts) this.#deltaBytes += part.length;
      this.#deltaBytes += body.length;
    } else {
      this.#task.restoreSnapshot(Buffer.concat(parts), body);
      this.#deltaBytes = 0;
    }
    this.#positions = body;
  }

  end(): boolean {
    if (this.#positions === null) return false;
    this.#task.restorePositions(this.#positions, this.#deltaBytes);
    return true;
  }
}

/** Waits between looks at a partition whose commit markers are still being written, in ms. */
const markerWaitMs = { first: 5, most: 500 } as const;

/**
 * The present end of a partition, once nothing below it is undecided. Kafka answers a commit before
 * it has written the markers of all partitions: until then the last commit is not stable.
 *
 * @throws {MillraceError} LOG_UNDECIDED when it takes longer than `undecidedMs`.
 */
async function decidedEnd(
  broker: Broker,
  topic: string,
  partition: number,
  undecidedMs: number,
): Promise<number> {
  const [end = 0] = await broker.listOffsets([{ topic, partition, at: "latest" }]);
  const begun = performance.now();
  const { first, most } = markerWaitMs;
  for (let pause: number = first; ; pause = Math.min(2 * pause, most)) {
    const [stable = 0] = await broker.listOffsets([{ topic, partition, at: "stable" }]);
    if (stable >= end) return end;
    const waitedMs = Math.round(performance.now() - begun);
    if (waitedMs > undecidedMs) {
      throw new MillraceError("LOG_UNDECIDED", { topic, partition, waitedMs });
    }
    await sleep(pause);
  }
}
