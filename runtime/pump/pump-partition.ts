import type { SinkBlock, SinkRecord } from "../../sinks/sink.ts";
import type { BlockBudget } from "./block-budget.ts";

/** Where a pump stands in one partition, and the block that it fills. */
export class PumpPartition {
  readonly number: number;
  /** Next offset to read. */
  position: number;
  /** Everything below is stored. */
  stored: number;
  /** Offset that the group knows; −1 for none. */
  committed: number;
  block: SinkBlock;
  /** When the first record came into the block, on the monotonic clock, ms. */
  openedAt = 0;
  readonly #budget: BlockBudget;
  /** Size of the block that the budget knows. */
  #counted = 0;

  constructor(
    number: number,
    position: number,
    committed: number | null,
    block: SinkBlock,
    budget: BlockBudget,
  ) {
    this.number = number;
    this.position = position;
    this.stored = position;
    this.committed = committed ?? -1;
    this.block = block;
    this.#budget = budget;
  }

  get isEmpty(): boolean {
    return this.block.rows === 0 && this.block.bytes === 0;
  }

  /** The block's offsets `[first, next)`: it begins where the last one ended. */
  get range(): { readonly partition: number; readonly first: number; readonly next: number } {
    return { partition: this.number, first: this.stored, next: this.position };
  }

  isFull(maxRows: number, maxBytes: number): boolean {
    return this.block.rows >= maxRows || this.block.bytes >= maxBytes;
  }

  /**
   * When there is something to do without more records, on the monotonic clock, ms; Infinity:
   * nothing is.
   *
   * @param tellAt - when the group is to be told what is stored.
   */
  dueAt(maxWaitMs: number, tellAt: number): number {
    if (!this.isEmpty) return this.openedAt + maxWaitMs;
    return this.position > this.committed ? tellAt : Number.POSITIVE_INFINITY;
  }

  /**
   * Whether whoever wants everything below `wanted` still waits, and the block has come as far as
   * it will.
   */
  isBehind(wanted: number, idle: boolean): boolean {
    return wanted > this.committed && (idle || this.position >= wanted);
  }

  /** Takes the record under the reader; a promise only when something must be looked up first. */
  add(reader: SinkRecord): Promise<void> | undefined {
    if (this.isEmpty) this.openedAt = performance.now();
    return this.block.add(reader) ?? undefined;
  }

  /** Tells the budget how large the block is now. */
  count(): void {
    this.#budget.resized(this.#counted, this.block.bytes);
    this.#counted = this.block.bytes;
  }

  /** Another pump has the partition, or none: its block is dropped. */
  release(): void {
    this.#budget.resized(this.#counted, 0);
    this.#counted = 0;
  }

  passed(offset: number): void {
    if (offset > this.position) this.position = offset;
  }

  /** With nothing to write, what was read counts as stored. */
  skip(): void {
    this.stored = this.position;
  }

  written(next: SinkBlock): void {
    this.stored = this.position;
    this.block = next;
    this.count();
  }
}
