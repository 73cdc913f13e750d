import { MillraceError } from "../../schemas/errors.ts";
import type { TopicPartition } from "../broker.ts";

/** Batches of a producer that are remembered, so that a repeated one is answered (as in Kafka). */
const rememberedBatches = 5;

interface ProducerEntry {
  epoch: number;
  /** Sequence number that the next batch must begin with. */
  next: number;
  readonly recent: { sequence: number; offset: number }[];
}

/** Sequence numbers wrap behind 2^31 − 1. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % 0x8000_0000;
}

/**
 * The idempotence check of one partition: batches of a producer come in sequence; one that was
 * taken before is answered with its offset again, a gap is refused.
 */
export class ProducerSequences {
  readonly #producers = new Map<number, ProducerEntry>();

  /**
   * The offset of the batch if it was taken before, else null: append it.
   *
   * @throws {MillraceError} SEQUENCE_GAP when batches before it are missing.
   */
  check(at: TopicPartition, producerId: number, epoch: number, sequence: number): number | null {
    const entry = this.#producers.get(producerId);
    const expected = entry === undefined || entry.epoch !== epoch ? 0 : entry.next;
    if (sequence === expected) return null;
    const known = entry?.recent.find((batch) => batch.sequence === sequence);
    if (known !== undefined && entry?.epoch === epoch) return known.offset;
    const { topic, partition } = at;
    throw new MillraceError("SEQUENCE_GAP", { topic, partition, producerId, sequence, expected });
  }

  taken(producerId: number, epoch: number, sequence: number, count: number, offset: number): void {
    let entry = this.#producers.get(producerId);
    if (entry === undefined || entry.epoch !== epoch) {
      entry = { epoch, next: 0, recent: [] };
      this.#producers.set(producerId, entry);
    }
    entry.next = sequenceAfter(sequence, count);
    entry.recent.push({ sequence, offset });
    if (entry.recent.length > rememberedBatches) entry.recent.shift();
  }

  /** A producer that is closed sends nothing again. */
  forget(producerId: number): void {
    this.#producers.delete(producerId);
  }

  clear(): void {
    this.#producers.clear();
  }
}
