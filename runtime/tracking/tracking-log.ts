import { randomUUID } from "node:crypto";
import type { Broker, Producer } from "../../broker/broker.ts";
import { committedPages } from "../../broker/committed-records.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type {
  TrackingCommand,
  TrackingCommands,
  TrackingKind,
} from "../../schemas/tracking-command.ts";
import { type Outcome, TrackingFold } from "./fold/tracking-fold.ts";
import type { TrackingState } from "./fold/tracking-state.ts";

export interface TrackingLogOptions {
  /** Of all commands together: they stand in memory as what they lead to. @default 268435456 */
  readonly logBytesMost?: number;
}

export const trackingLogDefaults = Object.freeze({ logBytesMost: 256 * 2 ** 20 });

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
 * been read back, so whoever reads next finds it, at whichever gateway.
 */
export class TrackingLog {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #options: Required<TrackingLogOptions>;
  readonly #fold = new TrackingFold();
  #offset = 0;
  #bytes = 0;
  #producer: Promise<Producer> | null = null;
  #looking: Promise<void> | null = null;
  #queue: Waiting[] = [];
  #writing: Promise<void> | null = null;
  readonly #outcomes = new Map<string, Outcome | null>();

  constructor(broker: Broker, topic: string, options: TrackingLogOptions = {}) {
    this.#broker = broker;
    this.#topic = topic;
    this.#options = { ...trackingLogDefaults, ...options };
  }

  /** What all commands lead to that stood in the log when this was asked. */
  async read(): Promise<TrackingState> {
    // A look that is under way may have asked for the end before.
    await this.#looking?.catch(() => {});
    await this.#look();
    return this.#fold.state;
  }

  /**
   * Notes a command, and gives what it led to.
   *
   * @throws {MillraceError} why it is refused; TRACKING_FULL; what the broker says: then it may
   * stand in the log or not.
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
    this.#fold.check(command);
    const { logBytesMost: limitBytes } = this.#options;
    if (this.#bytes + bytes.length > limitBytes) {
      throw new MillraceError("TRACKING_FULL", { sizeBytes: this.#bytes, limitBytes });
    }
    return await new Promise((resolve, reject) => {
      this.#queue.push({ command, bytes, resolve, reject });
      this.#writing ??= this.#writeAll().finally(() => {
        this.#writing = null;
      });
    });
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#looking?.catch(() => {});
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
    const end = first + waiting.length;
    // A look that was under way may have asked for the end before.
    while (this.#offset < end) await this.#look(end);
    for (const { command, resolve, reject } of waiting) {
      const outcome = this.#outcomes.get(command.id) ?? null;
      this.#outcomes.delete(command.id);
      if (outcome === null) resolve(undefined);
      else if ("refused" in outcome) reject(outcome.refused);
      else resolve(outcome.done);
    }
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

  /** Reads on, to the end as of now and at least to an offset; one at a time. */
  #look(atLeast = 0): Promise<void> {
    this.#looking ??= this.#readOn(atLeast).finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #readOn(atLeast: number): Promise<void> {
    const place = { topic: this.#topic, partition: 0 };
    const [stable = 0] = await this.#broker.listOffsets([{ ...place, at: "stable" }]);
    const range = { from: this.#offset, end: Math.max(stable, atLeast) };
    for await (const page of committedPages(this.#broker, this.#topic, 0, range)) {
      for (const { value, offset } of page) {
        if (offset < this.#offset) continue;
        this.#offset = offset + 1;
        if (value === null) continue;
        this.#bytes += value.length;
        const command = JSON.parse(value.toString("utf8")) as TrackingCommand;
        const outcome = this.#fold.apply(command);
        if (this.#outcomes.has(command.id)) this.#outcomes.set(command.id, outcome);
      }
    }
    this.#offset = Math.max(this.#offset, range.end);
  }
}
