import { randomUUID } from "node:crypto";
import type { Broker, Producer } from "../../broker/broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type {
  TrackingCommand,
  TrackingCommands,
  TrackingKind,
} from "../../schemas/tracking-command.ts";
import type { Warn } from "../services/service.ts";
import type { Outcome } from "./fold/tracking-fold.ts";
import type { TrackingState } from "./fold/tracking-state.ts";
import type { SnapshotsTold, Snapshotted } from "./snapshot/known-snapshots.ts";
import { SnapshotWriter } from "./snapshot/snapshot-writer.ts";
import { TrackingReader } from "./tracking-reader.ts";

export interface TrackingLogOptions {
  /**
   * Of what all commands lead to, as a snapshot has it, with the commands behind that: it stands
   * in memory. @default 268435456
   */
  readonly sizeBytesMost?: number;
  /** Bytes of commands, at the least, after which a snapshot is written. @default 16777216 */
  readonly snapshotAfterBytes?: number;
  /** @default nobody */
  readonly warn?: Warn;
  /** @default nobody */
  readonly snapshotted?: Snapshotted;
}

export const trackingLogDefaults = Object.freeze({
  sizeBytesMost: 256 * 2 ** 20,
  snapshotAfterBytes: 16 * 2 ** 20,
});

/** A command has to fit into a record of its topic. */
const commandBytesMost = 900_000;
/** Commands of one batch together, bytes: the topic takes 1 MiB. */
const batchBytesMost = 950_000;

interface Waiting {
  readonly command: TrackingCommand;
  readonly bytes: Buffer;
  readonly resolve: (done: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The log of experiments, runs and registered models of a topology, and what it leads to. Its one
 * partition puts commands in order; every reader decides by that order alone what holds, so that
 * several gateways write without a lock. A command is answered once it stands in the log and has
 * been read back, so whoever reads next finds it, at whichever gateway. Snapshots of what it leads
 * to stand in the log too, and what they cover is deleted.
 */
export class TrackingLog {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #sizeBytesMost: number;
  readonly #reader: TrackingReader;
  readonly #snapshots: SnapshotWriter;
  #producer: Promise<Producer> | null = null;
  #queue: Waiting[] = [];
  #writing: Promise<void> | null = null;
  readonly #outcomes = new Map<string, Outcome | null>();

  constructor(broker: Broker, topic: string, options: TrackingLogOptions = {}) {
    const { sizeBytesMost, snapshotAfterBytes, warn, snapshotted } = {
      ...trackingLogDefaults,
      ...{ warn: () => {}, snapshotted: () => {} },
      ...options,
    };
    this.#broker = broker;
    this.#topic = topic;
    this.#sizeBytesMost = sizeBytesMost;
    const applied = (id: string, outcome: Outcome | null) => {
      if (this.#outcomes.has(id)) this.#outcomes.set(id, outcome);
    };
    this.#reader = new TrackingReader(broker, topic, { applied, warn, snapshotted });
    const snapshots = { afterBytes: snapshotAfterBytes, warn, snapshotted };
    this.#snapshots = new SnapshotWriter(broker, topic, this.#reader, snapshots);
  }

  /** What it has of snapshots; null: nobody has read it yet. */
  get snapshots(): SnapshotsTold | null {
    return this.#reader.told;
  }

  /** What all commands lead to that stood in the log when this was asked. */
  async read(): Promise<TrackingState> {
    return await this.#reader.read();
  }

  /**
   * Notes a command, and gives what it led to.
   *
   * @throws {MillraceError} why it is refused; TRACKING_FULL; TRACKING_UNREADABLE; what the broker
   * says, and TRACKING_OUTCOME_UNKNOWN: then it may stand in the log or not.
   */
  async write<K extends TrackingKind>(
    kind: K,
    by: string,
    asked: TrackingCommands[K],
  ): Promise<unknown> {
    const head = { id: randomUUID(), at: Date.now(), by, kind };
    const command = { ...head, ...asked } as unknown as TrackingCommand;
    const bytes = Buffer.from(JSON.stringify(command), "utf8");
    if (bytes.length > commandBytesMost) {
      const reason = `it takes ${bytes.length} bytes, more than ${commandBytesMost}: send it in parts`;
      throw new MillraceError("TRACKING_INVALID", { reason });
    }
    // What does not hold now is not worth a record; what holds is decided by its place in the log.
    await this.read();
    this.#reader.fold.check(command);
    this.#snapshots.whenDue();
    const { sizeBytes } = this.#reader;
    const limitBytes = this.#sizeBytesMost;
    if (sizeBytes + bytes.length > limitBytes) {
      throw new MillraceError("TRACKING_FULL", { sizeBytes, limitBytes });
    }
    return await new Promise((resolve, reject) => {
      this.#queue.push({ command, bytes, resolve, reject });
      this.#writing ??= this.#writeAll().finally(() => {
        this.#writing = null;
      });
    });
  }

  /** Resolves once no snapshot is being written. */
  async settled(): Promise<void> {
    await this.#snapshots.settled();
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#snapshots.close();
    await this.#reader.close();
    await (await this.#producer?.catch(() => null))?.close();
  }

  /** What waits goes out together, while the batch before it is on its way. */
  async #writeAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch();
      try {
        await this.#send(batch);
      } catch (error) {
        for (const { command, reject } of batch) {
          this.#outcomes.delete(command.id);
          reject(error);
        }
      }
    }
  }

  #takeBatch(): Waiting[] {
    let size = 0;
    let count = 0;
    for (const { bytes } of this.#queue) {
      size += bytes.length + 100;
      if (count > 0 && size > batchBytesMost) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #send(waiting: readonly Waiting[]): Promise<void> {
    const batch = new RecordBatchBuilder();
    for (const { command, bytes } of waiting) {
      this.#outcomes.set(command.id, null);
      batch.append(Buffer.from(command.id, "utf8"), bytes, command.at);
    }
    const producer = await this.#opened();
    let first: number;
    try {
      const place = { topic: this.#topic, partition: 0 };
      [first = 0] = await producer.send([{ ...place, batch: batch.build() }]);
    } catch (error) {
      this.#producer = null;
      await producer.close().catch(() => {});
      throw error;
    }
    await this.#reader.readTo(first + waiting.length);
    for (const { command, resolve, reject } of waiting) {
      const outcome = this.#outcomes.get(command.id) ?? null;
      this.#outcomes.delete(command.id);
      if (outcome === null) reject(new MillraceError("TRACKING_OUTCOME_UNKNOWN"));
      else if ("refused" in outcome) reject(outcome.refused);
      else resolve(outcome.done);
    }
    this.#snapshots.whenDue();
  }

  async #opened(): Promise<Producer> {
    this.#producer ??= this.#broker.producer({ transactionalId: null });
    try {
      return await this.#producer;
    } catch (error) {
      this.#producer = null;
      throw error;
    }
  }
}
