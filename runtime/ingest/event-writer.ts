import { setTimeout as wait } from "node:timers/promises";
import type { Broker, Producer, ProducerBatch } from "../../broker/broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { EncodedEvent } from "./event-source.ts";

/** Where a record stands. */
export interface WrittenEvent {
  readonly partition: number;
  readonly offset: number;
}

interface Waiting {
  readonly topic: string;
  readonly event: EncodedEvent;
  readonly bytes: number;
  readonly resolve: (written: WrittenEvent) => void;
  readonly reject: (error: unknown) => void;
}

/** A batch is closed above this; the topics take 1 MiB. */
const batchBytesMost = 400_000;

/** Around a record in a batch, at most. */
const aroundBytes = 64;

/**
 * Writes events of many requests together: all that wait go out in one send, while the next ones
 * gather. An event that comes to a rested writer goes out at once. An event is written once its
 * brokers have acknowledged it.
 */
export class EventWriter {
  readonly #broker: Pick<Broker, "producer">;
  readonly #bytesMost: number;
  readonly #everyMs: number;
  /** When the last send began. */
  #sentAt = Number.NEGATIVE_INFINITY;
  #producer: Producer | null = null;
  #opening: Promise<Producer> | null = null;
  #waiting: Waiting[] = [];
  #bytes = 0;
  #writing: Promise<void> | null = null;

  /**
   * @param bytesMost - of events that wait; further ones are refused.
   * @param everyMs - from the beginning of a send to that of the next one at least: a send takes
   * this process and the broker as much for one event as for many. @default 0
   */
  constructor(broker: Pick<Broker, "producer">, bytesMost: number, everyMs = 0) {
    this.#broker = broker;
    this.#bytesMost = bytesMost;
    this.#everyMs = everyMs;
  }

  /**
   * Resolves when all are acknowledged. Where that fails an event may stand there all the same.
   *
   * @throws {MillraceError} GATEWAY_BUSY when too many wait, and none was taken; what the broker
   * throws.
   */
  async write(topic: string, events: readonly EncodedEvent[]): Promise<WrittenEvent[]> {
    const sizes = events.map(({ key, value }) => key.length + value.length + aroundBytes);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    if (this.#bytes + bytes > this.#bytesMost) {
      const what = `${this.#bytesMost} bytes of events wait for Kafka`;
      throw new MillraceError("GATEWAY_BUSY", { what });
    }
    this.#bytes += bytes;
    const written = events.map(
      (event, index) =>
        new Promise<WrittenEvent>((resolve, reject) => {
          this.#waiting.push({ topic, event, bytes: sizes[index] ?? 0, resolve, reject });
        }),
    );
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null;
    });
    return await Promise.all(written);
  }

  /** Has a producer before the first event is there. @throws what the broker throws. */
  async open(): Promise<void> {
    await this.#opened();
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#writing;
    // One that is still being opened is nobody's: it is closed once it is there.
    this.#opening?.then((opened) => opened.close()).catch(() => {});
    await this.#producer?.close();
  }

  async #writeAll(): Promise<void> {
    // What is asked for in the same turn goes out together.
    await null;
    while (this.#waiting.length > 0) {
      const restMs = this.#sentAt + this.#everyMs - performance.now();
      if (restMs > 0) await wait(restMs);
      this.#sentAt = performance.now();
      const round = this.#nextRound();
      try {
        const producer = await this.#opened();
        const batches = round.map(({ batch }) => batch);
        const bases = await producer.send(batches);
        for (const [index, { batch, waiting }] of round.entries()) {
          const base = bases[index] ?? 0;
          for (const [at, { resolve }] of waiting.entries()) {
            resolve({ partition: batch.partition, offset: base + at });
          }
        }
      } catch (error) {
        for (const { waiting } of round) for (const { reject } of waiting) reject(error);
        // Its sequences may be unknown.
        const broken = this.#producer;
        this.#producer = null;
        await broken?.close().catch(() => undefined);
      }
      for (const { waiting } of round) for (const { bytes } of waiting) this.#bytes -= bytes;
    }
  }

  /** The producer; whoever asks while it is being opened waits for the same one. */
  async #opened(): Promise<Producer> {
    if (this.#producer !== null) return this.#producer;
    this.#opening ??= this.#broker
      .producer({ transactionalId: null })
      .then((producer) => {
        this.#producer = producer;
        return producer;
      })
      .finally(() => {
        this.#opening = null;
      });
    return await this.#opening;
  }

  /** One batch a partition of what waits, in order; what does not fit waits for the next round. */
  #nextRound(): { readonly batch: ProducerBatch; readonly waiting: Waiting[] }[] {
    const open = new Map<string, OpenBatch>();
    const left: Waiting[] = [];
    for (const each of this.#waiting) {
      const { topic, event, bytes } = each;
      const place = `${topic}\0${event.partition}`;
      const found = open.get(place) ?? newBatch();
      open.set(place, found);
      found.full ||= found.waiting.length > 0 && found.builder.sizeBytes + bytes > batchBytesMost;
      if (found.full) left.push(each);
      else {
        found.builder.append(event.key, event.value, event.timestamp);
        found.waiting.push(each);
      }
    }
    this.#waiting = left;
    return [...open.values()].map(({ builder, waiting }) => {
      const [{ topic, event } = never()] = waiting;
      return { batch: { topic, partition: event.partition, batch: builder.build() }, waiting };
    });
  }
}

interface OpenBatch {
  readonly builder: RecordBatchBuilder;
  full: boolean;
  readonly waiting: Waiting[];
}

function newBatch(): OpenBatch {
  return { builder: new RecordBatchBuilder(), full: false, waiting: [] };
}

function never(): never {
  throw new RangeError("a batch has records");
}
