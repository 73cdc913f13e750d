import { FrameWriter, frameHeaderBytes, payloadHeaderBytes } from "../../flow/frame.ts";
import type { Outbox, RefusedRecord, SourcePlace } from "../../processors/processor.ts";
import { type ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import type { InboxOutputSpec, OutputSpec, Subtopology } from "../../schemas/plan.ts";
import type { AvroEncoder } from "../schema-registry/avro-codec.ts";
import type { CommitBatches } from "./commit-batches.ts";
import { DerivedDeadLetters } from "./derived-dead-letters.ts";

/** What an outbox must know of the world: where inboxes are and how values are encoded. */
export interface OutboxWiring {
  readonly subtopologyOf: (name: string) => Subtopology;
  readonly encoderOf: (topic: string) => AvroEncoder;
  readonly partitionsOf: (topic: string) => number;
  /** Key and value of the largest record that a topic takes, in bytes. */
  readonly recordBytesOf: (topic: string) => number;
  readonly deadLetterTopic: string;
  /** Bytes that a task gathers for one commit; what comes next exceeds it by itself at most. */
  readonly commitBytes: number;
}

interface InboxLane {
  readonly kind: "inbox";
  readonly spec: InboxOutputSpec;
  readonly topic: string;
  readonly maxBytes: number;
  /** By target partition; with fan-out `same` only the own one is there. */
  readonly frames: (FrameWriter | undefined)[];
  announced: number;
}

interface RowsLane {
  readonly kind: "rows";
  readonly topic: string;
  readonly maxBytes: number;
  announced: number;
}

interface TopicLane {
  readonly kind: "topic";
  readonly topic: string;
  readonly maxBytes: number;
  readonly partitions: number;
  readonly same: boolean;
  readonly encoder: AvroEncoder;
}

type Lane = InboxLane | RowsLane | TopicLane;

/**
 * Payloads, rows and records that a task gathers for one commit; a burst of expiries goes on in the
 * next one.
 */
const maxPayloadsPerCommit = 50_000;

/** Buffer for rows and topic records that a task keeps between two commits. */
const keptRecordBytes = 256 * 1024;

/** In front of the key of a gathered record, and of its value: see `#startRecord`. */
const recordHeaderBytes = 16 + 4;

/** Key of the record that carries a row partition's progress instead of a row. */
export const progressKey = Buffer.from([0]);

/**
 * The outbox of one task: payloads for inboxes gather in frames, rows and topic records gather
 * encoded, until `collect` moves them into a commit. What is larger than its topic takes becomes a
 * dead letter of the step instead.
 */
export class TaskOutbox implements Outbox {
  readonly #lanes: Lane[];
  readonly #partition: number;
  readonly #commitBytes: number;
  /** Rows and topic records: output, partition, key, value, timestamp, back to back. */
  readonly #records = new ByteWriter(64 * 1024);
  readonly #index: number[] = [];
  readonly #every = new ByteWriter();
  readonly #value = new ByteWriter();
  readonly #refused: DerivedDeadLetters;
  #open: FrameWriter | null = null;
  #openEvery = false;
  #openLane: InboxLane | RowsLane | null = null;
  #openPartition = 0;
  #openKnownAt = 0;
  #openRowAt = -1;
  #payloads = 0;
  /** Of the payloads in frames. */
  #frameBytes = 0;

  constructor(subtopology: Subtopology, partition: number, wiring: OutboxWiring) {
    this.#partition = partition;
    this.#commitBytes = wiring.commitBytes;
    this.#lanes = subtopology.outputs.map((spec) => makeLane(spec, subtopology, partition, wiring));
    const topic = wiring.deadLetterTopic;
    this.#refused = new DerivedDeadLetters(subtopology.name, {
      topic,
      partition: partition % wiring.partitionsOf(topic),
      encoder: wiring.encoderOf(topic),
    });
  }

  /** Payloads, rows and records that wait for a commit. */
  get pending(): number {
    return this.#payloads;
  }

  /**
   * Whether its task has gathered as much as one commit holds.
   *
   * @param elsewhere - bytes for the commit that the task holds itself.
   */
  isFull(elsewhere: number): boolean {
    return (
      this.#payloads >= maxPayloadsPerCommit ||
      this.#frameBytes + this.#records.position + this.#refused.bytes + elsewhere >=
        this.#commitBytes
    );
  }

  begin(output: number, partition: number, knownAt: number): ByteWriter {
    const lane = this.#lanes[output] as InboxLane;
    this.#payloads++;
    this.#openLane = lane;
    this.#openKnownAt = knownAt;
    if (lane.spec.fanOut === "every") {
      this.#openEvery = true;
      this.#openPartition = 0;
      this.#every.reset();
      return this.#every;
    }
    const target = lane.spec.fanOut === "same" ? this.#partition : partition;
    const frame = lane.frames[target] as FrameWriter;
    this.#open = frame;
    this.#openPartition = target;
    return frame.begin(knownAt);
  }

  beginRow(output: number, entityKey: string, knownAt: number): ByteWriter {
    this.#payloads++;
    this.#openLane = this.#lanes[output] as RowsLane;
    this.#openPartition = this.#partition;
    this.#openKnownAt = knownAt;
    this.#startRecord(output, this.#partition, entityKey, knownAt);
    this.#openRowAt = this.#records.reserve(4);
    return this.#records;
  }

  end(source?: SourcePlace): boolean {
    const lane = this.#openLane as InboxLane | RowsLane;
    if (lane.kind === "rows") return this.#endRow(lane);
    const taken = this.#openEvery ? this.#endEvery(lane) : this.#endPayload(lane, source);
    this.#open = null;
    this.#openEvery = false;
    return taken;
  }

  #endPayload(lane: InboxLane, source?: SourcePlace): boolean {
    const frame = this.#open as FrameWriter;
    if (frame.openBytes > lane.maxBytes) {
      this.#refuse(lane, null, frame.drop(), source);
      return false;
    }
    this.#frameBytes += frame.end();
    return true;
  }

  #endEvery(lane: InboxLane): boolean {
    const { buffer, position } = this.#every;
    if (position > lane.maxBytes) {
      this.#refuse(lane, null, buffer.subarray(0, position));
      return false;
    }
    for (const frame of lane.frames) {
      if (frame === undefined) continue;
      frame.begin(this.#openKnownAt).raw(buffer, 0, position);
      this.#frameBytes += frame.end();
    }
    return true;
  }

  #endRow(lane: RowsLane): boolean {
    const records = this.#records;
    const start = this.#index[this.#index.length - 1] as number;
    const valueAt = this.#openRowAt + 4;
    if (records.position - start - recordHeaderBytes > lane.maxBytes) {
      const key = records.buffer.toString("utf8", start + 16, this.#openRowAt);
      this.#refuse(lane, key, records.buffer.subarray(valueAt, records.position));
      records.position = start;
      this.#index.pop();
      return false;
    }
    records.buffer.writeUInt32LE(records.position - valueAt, this.#openRowAt);
    return true;
  }

  #refuse(
    lane: InboxLane | RowsLane,
    key: string | null,
    value: Buffer,
    source?: SourcePlace,
  ): void {
    const { topic, maxBytes } = lane;
    const target = { topic, maxBytes, partition: this.#openPartition };
    this.#refused.addOversize(target, key, value, this.#openKnownAt, source);
  }

  refuse(output: number, partition: number, refused: RefusedRecord): void {
    const { fields } = refused;
    const { topic, maxBytes } = this.#lanes[output] as InboxLane;
    this.#payloads++;
    const exact = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}` : value);
    const value = Buffer.from(JSON.stringify(fields, exact));
    this.#refused.addRefused(refused, { topic, maxBytes, partition }, value);
  }

  publish(output: number, key: string, timestampMs: number, value: object): void {
    const lane = this.#lanes[output] as TopicLane;
    this.#payloads++;
    this.#value.reset();
    lane.encoder.encode(value, this.#value);
    const partition = lane.same ? this.#partition : partitionOf(key, lane.partitions);
    const { topic, maxBytes } = lane;
    if (this.#value.position + key.length * 3 > maxBytes) {
      const value = this.#value.buffer.subarray(0, this.#value.position);
      const target = { topic, maxBytes, partition };
      this.#refused.addOversize(target, key, value, timestampMs);
      return;
    }
    this.#startRecord(output, partition, key, timestampMs);
    this.#records.u32(this.#value.position);
    this.#records.raw(this.#value.buffer, 0, this.#value.position);
  }

  /** Whether some output's progress has risen above what it announced. */
  hasNews(progressOf: (output: number) => number): boolean {
    return this.#lanes.some(
      (lane, output) => lane.kind !== "topic" && progressOf(output) > lane.announced,
    );
  }

  /** Moves everything into a commit: payloads in frames that end with the output's progress. */
  collect(batches: CommitBatches, progressOf: (output: number) => number): void {
    this.#refused.collect(batches);
    this.#collectRecords(batches);
    for (const [output, lane] of this.#lanes.entries()) {
      if (lane.kind === "topic") continue;
      const progress = Math.max(progressOf(output), lane.announced);
      if (lane.kind === "rows") this.#collectRowProgress(batches, lane, progress);
      else collectFrames(batches, lane, progress);
    }
    this.#payloads = 0;
    this.#frameBytes = 0;
  }

  /** Positions: by output the announced progress, and by partition written to the last sequence. */
  writePositions(writer: ByteWriter): void {
    for (const lane of this.#lanes) {
      if (lane.kind === "topic") continue;
      writer.f64(lane.announced);
      if (lane.kind !== "inbox") continue;
      const partitions = Object.keys(lane.frames).map(Number);
      writer.u16(partitions.length);
      for (const partition of partitions) {
        writer.u16(partition);
        writer.f64((lane.frames[partition] as FrameWriter).nextSequence);
      }
    }
  }

  readPositions(reader: ByteReader): void {
    for (const lane of this.#lanes) {
      if (lane.kind === "topic") continue;
      lane.announced = reader.f64();
      if (lane.kind !== "inbox") continue;
      const written = reader.u16();
      for (let n = 0; n < written; n++)
        (lane.frames[reader.u16()] as FrameWriter).nextSequence = reader.f64();
      // Where it writes to more partitions than it did, those have been told nothing so far.
      if (written < Object.keys(lane.frames).length) lane.announced = Number.NEGATIVE_INFINITY;
    }
  }

  /** What an output has announced as its progress. */
  announced(output: number): number {
    const lane = this.#lanes[output] as Lane;
    return lane.kind === "topic" ? Number.NEGATIVE_INFINITY : lane.announced;
  }

  /**
   * u16 output, u16 partition, f64 timestamp, u32 key length, key; the caller adds u32 length,
   * value.
   */
  #startRecord(output: number, partition: number, key: string, timestampMs: number): void {
    const records = this.#records;
    this.#index.push(records.position);
    records.u16(output);
    records.u16(partition);
    records.f64(timestampMs);
    const lengthAt = records.reserve(4);
    const start = records.reserve(key.length * 3);
    const length = records.buffer.write(key, start, "utf8");
    records.buffer.writeUInt32LE(length, lengthAt);
    records.position = start + length;
  }

  #collectRecords(batches: CommitBatches): void {
    const { buffer } = this.#records;
    for (const start of this.#index) {
      const output = buffer.readUInt16LE(start);
      const partition = buffer.readUInt16LE(start + 2);
      const timestamp = buffer.readDoubleLE(start + 4);
      const keyStart = start + 16;
      const keyEnd = keyStart + buffer.readUInt32LE(start + 12);
      const valueStart = keyEnd + 4;
      const valueEnd = valueStart + buffer.readUInt32LE(keyEnd);
      const lane = this.#lanes[output] as RowsLane | TopicLane;
      batches.appendSlices(
        lane.topic,
        partition,
        buffer,
        keyStart,
        keyEnd,
        buffer,
        valueStart,
        valueEnd,
        timestamp,
      );
    }
    this.#index.length = 0;
    this.#records.recycle(keptRecordBytes);
  }

  #collectRowProgress(batches: CommitBatches, lane: RowsLane, progress: number): void {
    if (progress <= lane.announced) return;
    lane.announced = progress;
    const value = Buffer.allocUnsafe(8);
    value.writeDoubleLE(progress);
    const timestamp = Number.isFinite(progress) ? Math.max(0, progress) : 0;
    batches.append(lane.topic, this.#partition, progressKey, value, timestamp);
  }
}

function collectFrames(batches: CommitBatches, lane: InboxLane, progress: number): void {
  const risen = progress > lane.announced;
  for (const [partition, frame] of lane.frames.entries()) {
    if (frame === undefined || (frame.count === 0 && !risen)) continue;
    for (const encoded of frame.take(progress)) {
      batches.appendFrame(lane.topic, partition, encoded);
    }
  }
  lane.announced = progress;
}

function makeLane(
  spec: OutputSpec,
  from: Subtopology,
  partition: number,
  wiring: OutboxWiring,
): Lane {
  switch (spec.kind) {
    case "rows":
      return {
        kind: "rows",
        topic: spec.topic,
        maxBytes: wiring.recordBytesOf(spec.topic),
        announced: Number.NEGATIVE_INFINITY,
      };
    case "topic":
      return {
        kind: "topic",
        topic: spec.topic,
        maxBytes: wiring.recordBytesOf(spec.topic),
        partitions: wiring.partitionsOf(spec.topic),
        same: spec.partitioning === "same",
        encoder: wiring.encoderOf(spec.topic),
      };
    case "inbox": {
      const target = wiring.subtopologyOf(spec.to);
      const input = target.inputs.findIndex((each) => each.name === spec.input);
      if (input < 0) throw new RangeError(`${spec.to} has no input ${spec.input}`);
      const frames: (FrameWriter | undefined)[] = [];
      for (let to = 0; to < target.partitions; to++) {
        if (spec.fanOut === "same" && to !== partition) continue;
        frames[to] = new FrameWriter(input, partition);
      }
      if (from.partitions === 0) throw new RangeError(`${from.name} has no partitions`);
      return {
        kind: "inbox",
        spec,
        topic: target.inbox,
        maxBytes: wiring.recordBytesOf(target.inbox) - frameHeaderBytes - payloadHeaderBytes,
        frames,
        announced: Number.NEGATIVE_INFINITY,
      };
    }
  }
}
