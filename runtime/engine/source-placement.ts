import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { Subtopology } from "../../schemas/plan.ts";
import type { SourceDecisions } from "./live/source-decisions.ts";

/** A number of partitions that counts from an offset on. */
export interface AddedPartitions {
  readonly position: number;
  readonly partitions: number;
}

/** Wait before a broker that did not say how many partitions there are is asked again, ms. */
const askAgainMs = 1_000;

/**
 * By how many partitions the keys of one source partition are placed. A topic that was given more
 * holds keys that were placed by each number that it has had, for producers hear of it one by one:
 * from where its task took up a number on, both are right. Where a key is in the place of none, the
 * task asks how many there are now: a producer may know of more before we do.
 */
export class SourcePlacement {
  readonly #decisions: SourceDecisions;
  /** All numbers that the topic has had while it was read, ascending, of which one is its own. */
  readonly #known: readonly number[];
  /** Those that count from a later offset on: as an earlier run decided, read again. */
  #upcoming: readonly AddedPartitions[];
  #counts: readonly number[];
  /** When its records were fetched, and when a look began that found no more partitions; ms. */
  #fetchedAt = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  #askAgainAt = 0;
  #asking = false;
  #asks = false;

  constructor(
    { partitions, earlierPartitions = [] }: Subtopology,
    partition: number,
    decisions: SourceDecisions,
  ) {
    this.#decisions = decisions;
    this.#known = [...earlierPartitions, partitions].filter((count) => count > partition);
    this.#upcoming = decisions.addedPartitions();
    this.#counts = this.#known.filter(
      (count) => !this.#upcoming.some(({ partitions }) => partitions === count),
    );
  }

  /** Numbers of partitions by which the record at an offset may be placed. */
  countsAt(offset: number): readonly number[] {
    while (this.#upcoming[0] !== undefined && this.#upcoming[0].position <= offset) {
      const [{ partitions }, ...rest] = this.#upcoming as [AddedPartitions, ...AddedPartitions[]];
      if (!this.#counts.includes(partitions)) this.#counts = [...this.#counts, partitions];
      this.#upcoming = rest;
    }
    return this.#counts;
  }

  /** Records have been fetched: what is known of the number of partitions may be older. */
  fetched(): void {
    this.#fetchedAt = performance.now();
  }

  /** Whether a record that was fetched and is in the place of no key is misplaced for sure. */
  get isSure(): boolean {
    return this.#askedAt >= this.#fetchedAt;
  }

  /** The task stands at a record of which it cannot say whether it is misplaced. */
  wonder(): void {
    this.#asks = true;
  }

  get waits(): boolean {
    return this.#asks;
  }

  /** Whether somebody is to ask the broker now. */
  get wantsLook(): boolean {
    return this.#asks && !this.#asking && performance.now() >= this.#askAgainAt;
  }

  /**
   * Has the broker asked, beside the task, whether the topic has the partitions that are read.
   * Gives why it waits on, else null.
   *
   * @param look - rejects where the topic has more.
   */
  async ask(look: () => Promise<unknown>, passes: (error: unknown) => boolean): Promise<unknown> {
    const begun = performance.now();
    this.#asking = true;
    try {
      await look();
      this.#askedAt = begun;
      this.#asks = false;
      return null;
    } catch (error) {
      if (!passes(error)) throw error;
      this.#askAgainAt = performance.now() + askAgainMs;
      return error;
    } finally {
      this.#asking = false;
    }
  }

  write(writer: ByteWriter): void {
    writer.u16(this.#counts.length);
    for (const count of this.#counts) writer.u32(count);
  }

  /** Takes up what has been added since, from the position of its task on. */
  read(reader: ByteReader, position: number): void {
    const counts = Array.from({ length: reader.u16() }, () => reader.u32());
    this.#counts = counts;
    this.#upcoming = this.#upcoming.filter(({ partitions }) => !counts.includes(partitions));
    for (const partitions of this.#known) {
      const isKnown =
        counts.includes(partitions) ||
        this.#upcoming.some((each) => each.partitions === partitions);
      if (isKnown) continue;
      this.#counts = [...this.#counts, partitions];
      this.#decisions.partitionsAdded({ position, partitions });
    }
  }
}
