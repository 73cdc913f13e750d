import type { Broker } from "../../broker/broker.ts";
import { committedPages, type PlainRecord } from "../../broker/committed-records.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { TrackingCommand } from "../../schemas/tracking-command.ts";
import { type SnapshotEnd, snapshotKeys } from "../../schemas/tracking-snapshot.ts";
import type { Warn } from "../services/service.ts";
import { type Outcome, TrackingFold } from "./fold/tracking-fold.ts";
import type { TrackingState } from "./fold/tracking-state.ts";
import {
  KnownSnapshots,
  type SnapshotsTold,
  type Snapshotted,
} from "./snapshot/known-snapshots.ts";
import { readSnapshot, SnapshotUnusable } from "./snapshot/read-snapshot.ts";

export interface TrackingReaderOptions {
  /** Told what became of each command, in order; null: nothing, it was there before. */
  readonly applied: (id: string, outcome: Outcome | null) => void;
  readonly warn: Warn;
  /** @default nobody */
  readonly snapshotted?: Snapshotted;
}

/** Starts of a reader while the log is shortened under it again and again. */
const startsMost = 5;

/**
 * Reads the log of a topology from its newest snapshot on, and holds what it leads to. One that
 * lags behind what was deleted meanwhile starts again, from a snapshot that covers that.
 */
export class TrackingReader {
  readonly snapshots = new KnownSnapshots();
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #options: TrackingReaderOptions;
  #fold = new TrackingFold();
  #hasStarted = false;
  #offset = 0;
  /** Of all commands since the topic began. */
  #logBytes = 0;
  #looking: Promise<void> | null = null;
  #held: Promise<unknown> | null = null;

  constructor(broker: Broker, topic: string, options: TrackingReaderOptions) {
    this.#broker = broker;
    this.#topic = topic;
    this.#options = options;
  }

  /** As of the offset that it has come to. */
  get fold(): TrackingFold {
    return this.#fold;
  }

  /** Behind the last record that it has read. */
  get offset(): number {
    return this.#offset;
  }

  get logBytes(): number {
    return this.#logBytes;
  }

  /** Of commands that the newest snapshot does not cover. */
  get bytesBehind(): number {
    return this.#logBytes - (this.snapshots.newest?.logBytes ?? 0);
  }

  /** Null: nobody has read it yet. */
  get told(): SnapshotsTold | null {
    if (!this.#hasStarted) return null;
    const { newest } = this.snapshots;
    return { topic: this.#topic, newest, bytesBehind: this.bytesBehind };
  }

  /** What stands in memory, as bytes of the snapshot and of the commands behind it. */
  get sizeBytes(): number {
    return (this.snapshots.newest?.stateBytes ?? 0) + this.bytesBehind;
  }

  /**
   * What all commands lead to that stood in the log when this was asked.
   *
   * @throws {MillraceError} TRACKING_UNREADABLE; what the broker says.
   */
  async read(): Promise<TrackingState> {
    // A look that is under way may have asked for the end before.
    await this.#looking?.catch(() => {});
    await this.#look(0);
    return this.#fold.state;
  }

  /** Reads on until it is behind an offset. @throws as `read` */
  async readTo(end: number): Promise<void> {
    // A look that was under way may have asked for the end before.
    while (this.#offset < end) await this.#look(end);
  }

  /** Does something while the state stays as it is: who reads waits for it. */
  async holding<T>(act: () => Promise<T>): Promise<T> {
    while (this.#looking !== null || this.#held !== null) {
      await (this.#looking ?? this.#held)?.catch(() => {});
    }
    const held = act().finally(() => {
      this.#held = null;
    });
    this.#held = held;
    return await held;
  }

  /** Lets what is under way end. */
  async close(): Promise<void> {
    await this.#looking?.catch(() => {});
  }

  /** Reads on, to the end as of now and at least to an offset; one at a time. */
  async #look(atLeast: number): Promise<void> {
    while (this.#held !== null) await this.#held.catch(() => {});
    this.#looking ??= this.#readOn(atLeast).finally(() => {
      this.#looking = null;
    });
    await this.#looking;
  }

  async #readOn(atLeast: number): Promise<void> {
    for (let starts = 1; ; starts++) {
      try {
        if (!this.#hasStarted) await this.#start();
        await this.#readBehind(atLeast);
        return;
      } catch (error) {
        const isBehind = error instanceof MillraceError && error.code === "OFFSET_OUT_OF_RANGE";
        if (!isBehind || starts === startsMost) throw error;
        this.#hasStarted = false;
      }
    }
  }

  /** Takes up what the best snapshot says, or nothing where the log has all from its beginning. */
  async #start(): Promise<void> {
    const [from, end] = await this.#range();
    for await (const page of committedPages(this.#broker, this.#topic, 0, { from, end })) {
      for (const record of page) this.#noteSnapshot(record);
    }
    const reasons: string[] = [];
    for (const snapshot of this.snapshots.from(from)) {
      try {
        this.#fold = await readSnapshot(this.#broker, this.#topic, snapshot);
        this.#offset = snapshot.covers;
        this.#logBytes = snapshot.logBytes;
        this.#hasStarted = true;
        return;
      } catch (error) {
        if (!(error instanceof SnapshotUnusable)) throw error;
        const { covers } = snapshot;
        this.#options.snapshotted?.("unreadable");
        this.#options.warn("a snapshot of experiments and runs cannot be read", {
          ...{ topic: this.#topic, covers, reason: error.message },
        });
        reasons.push(`the snapshot of what stands below offset ${covers}: ${error.message}`);
        this.snapshots.drop(snapshot);
      }
    }
    if (from > 0) {
      const reason = reasons.join("; ") || "it has no snapshot of that";
      throw new MillraceError("TRACKING_UNREADABLE", { topic: this.#topic, from, reason });
    }
    this.#fold = new TrackingFold();
    this.#offset = 0;
    this.#logBytes = 0;
    this.#hasStarted = true;
  }

  async #readBehind(atLeast: number): Promise<void> {
    const [, stable] = await this.#range();
    const range = { from: this.#offset, end: Math.max(stable, atLeast) };
    for await (const page of committedPages(this.#broker, this.#topic, 0, range)) {
      for (const record of page) {
        const { value, offset } = record;
        if (offset < this.#offset) continue;
        this.#offset = offset + 1;
        if (value === null || this.#noteSnapshot(record)) continue;
        this.#logBytes += value.length;
        const command = JSON.parse(value.toString("utf8")) as TrackingCommand;
        this.#options.applied(command.id, this.#fold.apply(command));
      }
    }
    this.#offset = Math.max(this.#offset, range.end);
  }

  /** Whether a record is of a snapshot, and no command. */
  #noteSnapshot({ key, value }: PlainRecord): boolean {
    const name = key?.toString("utf8");
    if (name === snapshotKeys.part) return true;
    if (name !== snapshotKeys.end) return false;
    if (value !== null) this.snapshots.add(JSON.parse(value.toString("utf8")) as SnapshotEnd);
    return true;
  }

  async #range(): Promise<[from: number, end: number]> {
    const place = { topic: this.#topic, partition: 0 };
    const [from = 0, end = 0] = await this.#broker.listOffsets([
      { ...place, at: "earliest" },
      { ...place, at: "stable" },
    ]);
    return [from, end];
  }
}
