import { setTimeout as sleep } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { RecordReader } from "../broker/record-batch/reader.ts";
import type { CommitBatches } from "./commit-batches.ts";

const layoutVersion = 1;
/** Body of one changelog record at most; a larger one is cut into parts. */
const partBytes = 256 * 1024;

const kinds = { deltaPart: 1, deltaEnd: 2, snapshotPart: 3, snapshotEnd: 4 } as const;

/**
 * Changelog record: u8 layout version, u8 kind, body. The parts of a delta are pieces of the log
 * (`delta-log.ts`), each whole in itself; its end holds the positions of the commit. The parts of a
 * snapshot, joined, are the processor's state; its end holds the positions it belongs to.
 */
export function writeDelta(
  batches: CommitBatches,
  topic: string,
  partition: number,
  parts: readonly Buffer[],
  positions: Buffer,
): number {
  let bytes = positions.length;
  for (const part of parts) {
    if (part.length === 0) continue;
    bytes += part.length;
    append(batches, topic, partition, kinds.deltaPart, part);
  }
  append(batches, topic, partition, kinds.deltaEnd, positions);
  return bytes;
}

/** Returns the place of the snapshot's first record among the partition's records of the commit. */
export function writeSnapshot(
  batches: CommitBatches,
  topic: string,
  partition: number,
  state: Buffer,
  positions: Buffer,
): number {
  let first = -1;
  for (let start = 0; start < state.length || start === 0; start += partBytes) {
    const part = state.subarray(start, start + partBytes);
    const place = append(batches, topic, partition, kinds.snapshotPart, part);
    if (first < 0) first = place;
  }
  append(batches, topic, partition, kinds.snapshotEnd, positions);
  return first;
}

function append(
  batches: CommitBatches,
  topic: string,
  partition: number,
  kind: number,
  body: Buffer,
): number {
  const value = Buffer.allocUnsafe(body.length + 2);
  value[0] = layoutVersion;
  value[1] = kind;
  body.copy(value, 2);
  return batches.append(topic, partition, null, value, 0);
}

/** What a restoring task takes, in the order of the changelog. */
export interface Restorable {
  restoreSnapshot(state: Buffer, positions: Buffer): void;
  replayDelta(parts: readonly Buffer[]): void;
  /** Positions of the last commit; called once, at the end, unless the changelog is empty. */
  restorePositions(positions: Buffer): void;
}

/**
 * Restores one task: the last complete snapshot, then the deltas behind it. Reads to the stable end
 * of the partition as it is now; call it after fencing the previous owner.
 *
 * @returns the bytes of deltas read since the snapshot.
 */
export async function restoreFromChangelog(
  broker: Broker,
  topic: string,
  partition: number,
  task: Restorable,
): Promise<number> {
  const stable = await stableEnd(broker, topic, partition);
  const [start] = await broker.listOffsets([{ topic, partition, at: "earliest" }]);
  const reader = new RecordReader({ checkCrc: true });
  let offset = start ?? 0;
  let delta: Buffer[] = [];
  let snapshot: Buffer[] = [];
  let positions: Buffer | null = null;
  let deltaBytes = 0;
  while (offset < stable) {
    const fetched = await broker.fetch({
      partitions: [{ topic, partition, offset, maxBytes: 4 * 1024 * 1024 }],
      isolation: "read_committed",
      maxWaitMs: 1000,
      maxBytes: 8 * 1024 * 1024,
    });
    const batch = fetched[0];
    if (batch === undefined) continue;
    reader.open(batch, "read_committed");
    while (reader.next()) {
      const at = reader.valueStart;
      if (reader.buffer[at] !== layoutVersion) {
        throw new RangeError(`changelog ${topic}/${partition} has another layout`);
      }
      const body = Buffer.from(reader.buffer.subarray(at + 2, reader.valueEnd));
      switch (reader.buffer[at + 1]) {
        case kinds.deltaPart:
          delta.push(body);
          deltaBytes += body.length;
          break;
        case kinds.deltaEnd:
          task.replayDelta(delta);
          delta = [];
          positions = body;
          deltaBytes += body.length;
          break;
        case kinds.snapshotPart:
          snapshot.push(body);
          break;
        case kinds.snapshotEnd:
          task.restoreSnapshot(Buffer.concat(snapshot), body);
          snapshot = [];
          delta = [];
          positions = body;
          deltaBytes = 0;
          break;
        default:
          throw new RangeError(`changelog ${topic}/${partition} has an unknown record`);
      }
    }
    offset = reader.nextOffset;
  }
  if (positions !== null) task.restorePositions(positions);
  return deltaBytes;
}

/** Wait between looks at a partition whose commit markers are still being written, in ms. */
const markerWaitMs = 5;

/**
 * The end of a partition once nothing in it is undecided. Kafka answers a commit before it has
 * written the markers of all partitions: until then the last commit lies beyond the stable end.
 */
async function stableEnd(broker: Broker, topic: string, partition: number): Promise<number> {
  for (;;) {
    const [stable, latest] = await broker.listOffsets([
      { topic, partition, at: "stable" },
      { topic, partition, at: "latest" },
    ]);
    if (stable === latest) return latest ?? 0;
    await sleep(markerWaitMs);
  }
}
