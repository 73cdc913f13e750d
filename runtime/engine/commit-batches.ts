import type { ProducerBatch, RecordBatch } from "../../broker/broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { isMarker, MarkerBundle } from "../../flow/frame.ts";
import type { Plan } from "../../schemas/plan.ts";

interface Lane {
  readonly topic: string;
  readonly partition: number;
  readonly maxBytes: number;
  readonly builder: RecordBatchBuilder;
  readonly finished: RecordBatch[];
  /** Of several tasks, for one inbox: they become one record. */
  readonly markers: MarkerBundle;
  records: number;
}

/** Takes a frame of a commit for an inbox partition. */
export type HandOver = (topic: string, partition: number, frame: Buffer) => void;

/** Markers become a record before they take more, bytes. */
const bundleBytes = 64 * 1024;

/** The framing of a record (under 40 bytes) and of the batch (61). */
const framingBytes = 128;

/** Buffer that a partition keeps for its batches between two transactions. */
const keptBytes = 64 * 1024;

/**
 * The record batches of one transaction after the other, by topic and partition. All tasks of a
 * process append to the same one; a batch is cut before it outgrows its topic's
 * `max.message.bytes`. Buffers are kept from one transaction to the next.
 */
export class CommitBatches {
  readonly #lanes = new Map<string, Lane[]>();
  readonly #maxBatchBytes: (topic: string) => number;
  readonly #handOver: HandOver;
  records = 0;
  bytes = 0;

  /**
   * @param maxBatchBytes - the largest batch that a topic takes, in bytes.
   * @param handOver - given each frame, to keep it. @default nobody
   */
  constructor(maxBatchBytes: (topic: string) => number, handOver: HandOver = () => {}) {
    this.#maxBatchBytes = maxBatchBytes;
    this.#handOver = handOver;
  }

  /** Begins another transaction; what the last one held and did not send is dropped. */
  clear(): void {
    this.records = 0;
    this.bytes = 0;
    for (const lanes of this.#lanes.values()) {
      for (const lane of lanes) {
        if (lane === undefined) continue;
        lane.records = 0;
        lane.finished.length = 0;
        lane.markers.take();
        lane.builder.recycle(keptBytes);
      }
    }
  }

  /** Appends one record and returns its place among the records of its partition in this commit. */
  append(
    topic: string,
    partition: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    timestampMs: number,
  ): number {
    const lane = this.#lane(topic, partition);
    const size = (key?.length ?? 0) + (value?.length ?? 0);
    this.#makeRoom(lane, size);
    lane.builder.append(key, value, timestampMs);
    return this.#count(lane, size);
  }

  /**
   * Appends a frame for an inbox. One without payloads comes behind all frames of this commit, in
   * one record with those of other channels: nothing else of its channel is in the commit.
   */
  appendFrame(topic: string, partition: number, frame: Buffer): void {
    if (isMarker(frame)) {
      const lane = this.#lane(topic, partition);
      lane.markers.add(frame);
      if (lane.markers.bytes >= bundleBytes) this.#endBundle(lane);
    } else this.append(topic, partition, null, frame, 0);
    this.#handOver(topic, partition, frame);
  }

  /** {@link append} for a record that stands in larger buffers. */
  appendSlices(
    topic: string,
    partition: number,
    keys: Buffer,
    keyStart: number,
    keyEnd: number,
    values: Buffer,
    valueStart: number,
    valueEnd: number,
    timestampMs: number,
  ): number {
    const lane = this.#lane(topic, partition);
    const size = keyEnd - keyStart + valueEnd - valueStart;
    this.#makeRoom(lane, size);
    lane.builder.appendSlices(keys, keyStart, keyEnd, values, valueStart, valueEnd, timestampMs);
    return this.#count(lane, size);
  }

  /**
   * The batches in the order to send them: at most one a partition in each round. Call once, when
   * everything has been appended. They stand in buffers of their own.
   */
  rounds(): ProducerBatch[][] {
    const rounds: ProducerBatch[][] = [];
    for (const lanes of this.#lanes.values()) {
      for (const lane of lanes) {
        if (lane === undefined) continue;
        this.#endBundle(lane);
        if (lane.builder.count > 0) lane.finished.push(lane.builder.build());
        for (const [round, batch] of lane.finished.splice(0).entries()) {
          const { topic, partition } = lane;
          const sent = rounds[round] ?? [];
          sent.push({ topic, partition, batch });
          rounds[round] = sent;
        }
      }
    }
    return rounds;
  }

  #endBundle(lane: Lane): void {
    const bundle = lane.markers.take();
    if (bundle !== null) this.append(lane.topic, lane.partition, null, bundle, 0);
  }

  #lane(topic: string, partition: number): Lane {
    let lanes = this.#lanes.get(topic);
    if (lanes === undefined) {
      lanes = [];
      this.#lanes.set(topic, lanes);
    }
    let lane = lanes[partition];
    if (lane === undefined) {
      lane = {
        topic,
        partition,
        maxBytes: this.#maxBatchBytes(topic),
        builder: new RecordBatchBuilder(),
        finished: [],
        markers: new MarkerBundle(),
        records: 0,
      };
      lanes[partition] = lane;
    }
    return lane;
  }

  #makeRoom(lane: Lane, size: number): void {
    const { builder, maxBytes } = lane;
    if (builder.count === 0 || builder.sizeBytes + size + framingBytes <= maxBytes) return;
    lane.finished.push(lane.builder.build());
    lane.builder.reset();
  }

  #count(lane: Lane, size: number): number {
    this.records++;
    this.bytes += size;
    return lane.records++;
  }
}

/** Batches stay below each topic's `max.message.bytes` (1 MiB where the plan sets none). */
export function batchLimits(plan: Plan): (topic: string) => number {
  const limits = new Map(
    plan.topics.map((topic) => [
      topic.name,
      Number(topic.config["max.message.bytes"] ?? 1024 * 1024) - 1024,
    ]),
  );
  return (topic) => limits.get(topic) ?? 1024 * 1023;
}

/** Key and value of the largest record that a topic takes, bytes: it is a batch by itself. */
export function recordLimits(plan: Plan): (topic: string) => number {
  const batchBytesOf = batchLimits(plan);
  return (topic) => batchBytesOf(topic) - framingBytes;
}
