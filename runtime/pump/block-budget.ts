/** What the blocks of all pumps of a process hold together before they are written early. */
export const blockBudgetBytes = 256 * 1024 * 1024;

/**
 * What the blocks of all pumps of a process may hold together, in bytes. Nobody waits for it: once
 * it is spent, pumps write what they have instead of filling their blocks, so that it is exceeded
 * by what each of them fetches at once, and no more.
 */
export class BlockBudget {
  readonly limitBytes: number;
  #bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Bytes in blocks now. */
  get bytes(): number {
    return this.#bytes;
  }

  get isSpent(): boolean {
    return this.#bytes >= this.limitBytes;
  }

  /** Notes that a block went from one size to another. */
  resized(fromBytes: number, toBytes: number): void {
    this.#bytes += toBytes - fromBytes;
  }
}
