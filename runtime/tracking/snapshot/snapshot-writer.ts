import { randomUUID } from "node:crypto";
import type { Broker, Producer } from "../../../broker/broker.ts";
import { RecordBatchBuilder } from "../../../broker/record-batch/builder.ts";
import {
  type SnapshotEnd,
  type SnapshotPart,
  snapshotFormat,
  snapshotKeys,
} from "../../../schemas/tracking-snapshot.ts";
import type { Warn } from "../../services/service.ts";
import type { TrackingReader } from "../tracking-reader.ts";
import type { Snapshotted } from "./known-snapshots.ts";
import { packLines } from "./packed-lines.ts";
import { stateLines } from "./state-lines.ts";

export interface SnapshotWriterOptions {
  /** Bytes of commands behind the newest snapshot, at the least, that one is written after. */
  readonly afterBytes: number;
  readonly warn: Warn;
  readonly snapshotted: Snapshotted;
}

/** Of a part: as base64 it fits into a record of the topic. */
const pieceBytes = 640 * 1024;
/** A snapshot is written once the commands behind the newest take this share of it. */
const shareOfState = 1 / 4;

/**
 * Writes snapshots of the state into its log, and deletes what the one before the newest covers.
 * Several gateways may write at once: each snapshot is whole and true to its offset, and what
 * covers most is the newest, in whatever order they end. A crash at any place leaves a log that is
 * longer than it need be, which the next snapshot shortens.
 */
export class SnapshotWriter {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #reader: TrackingReader;
  readonly #options: SnapshotWriterOptions;
  #writing: Promise<void> | null = null;
  #isClosed = false;
  /** Behind the newest snapshot, bytes: before that it is not tried again. */
  #notBefore = 0;

  constructor(
    broker: Broker,
    topic: string,
    reader: TrackingReader,
    options: SnapshotWriterOptions,
  ) {
    this.#broker = broker;
    this.#topic = topic;
    this.#reader = reader;
    this.#options = options;
  }

  /** Begins a snapshot when it is time for one; nobody waits for it. */
  whenDue(): void {
    if (this.#writing !== null || this.#isClosed || !this.#isDue()) return;
    this.#writing = this.#write()
      .catch((error: unknown) => {
        this.#notBefore = this.#reader.bytesBehind + this.#afterBytes / 4;
        this.#options.snapshotted("failed");
        this.#options.warn("no snapshot of experiments and runs was written", {
          ...{ topic: this.#topic, reason: String(error) },
        });
      })
      .finally(() => {
        this.#writing = null;
      });
  }

  /** Resolves once none is under way. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  /** Gives up one that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
  }

  get #afterBytes(): number {
    const stateBytes = this.#reader.snapshots.newest?.stateBytes ?? 0;
    return Math.max(this.#options.afterBytes, stateBytes * shareOfState);
  }

  #isDue(): boolean {
    const { fold, snapshots, bytesBehind } = this.#reader;
    // What a newer version has logged or written would be missing in it.
    if (fold.skipsKinds || snapshots.hasLater) return false;
    return bytesBehind >= Math.max(this.#afterBytes, this.#notBefore);
  }

  async #write(): Promise<void> {
    const { covers, logBytes, packing } = await this.#begun();
    const packed = await packing;
    const id = randomUUID();
    const producer = await this.#broker.producer({ transactionalId: null });
    try {
      let from = 0;
      for (const [part, piece] of packed.pieces.entries()) {
        if (this.#isClosed) return;
        const data = piece.toString("base64");
        const made: SnapshotPart = { kind: "snapshot.part", id, part, data };
        const offset = await this.#append(producer, snapshotKeys.part, made);
        if (part === 0) from = offset;
      }
      const { sha256, bytes: stateBytes, pieces } = packed;
      const end: SnapshotEnd = {
        ...{ kind: "snapshot", id, at: Date.now(), format: snapshotFormat, covers, from },
        ...{ parts: pieces.length, sha256, stateBytes, logBytes },
      };
      const offset = await this.#append(producer, snapshotKeys.end, end);
      this.#notBefore = 0;
      this.#options.snapshotted("written");
      await this.#reader.readTo(offset + 1);
    } finally {
      await producer.close();
    }
    await this.#shorten();
  }

  /** What a snapshot covers from here on; the state may go on, though its points are packed yet. */
  async #begun() {
    return await this.#reader.holding(async () => {
      const { fold, offset: covers, logBytes } = this.#reader;
      let unhold = () => {};
      const unheld = new Promise<void>((resolve) => {
        unhold = resolve;
      });
      const packing = packLines(stateLines(fold, unhold), pieceBytes);
      await Promise.race([unheld, packing]);
      return { covers, logBytes, packing };
    });
  }

  async #append(producer: Producer, key: string, value: SnapshotPart | SnapshotEnd) {
    const batch = new RecordBatchBuilder();
    batch.append(Buffer.from(key, "utf8"), Buffer.from(JSON.stringify(value), "utf8"), Date.now());
    const place = { topic: this.#topic, partition: 0 };
    const [offset = 0] = await producer.send([{ ...place, batch: batch.build() }]);
    return offset;
  }

  /** The newest snapshot and the one before can be read, with all that comes behind them. */
  async #shorten(): Promise<void> {
    const offset = this.#reader.snapshots.dispensableBelow;
    if (offset > 0) {
      await this.#broker.deleteRecords([{ topic: this.#topic, partition: 0, offset }]);
    }
  }
}
