const initialRows = 64;

/**
 * Feature vectors of one batch, row-major and contiguous; the memory is reused batch after batch.
 */
export class VectorBuffer {
  readonly width: number;
  values: Float64Array;
  rows = 0;

  constructor(width: number) {
    this.width = width;
    this.values = new Float64Array(width * initialRows);
  }

  /** Makes room for one more row and returns where it starts. */
  add(): number {
    const start = this.rows * this.width;
    this.rows++;
    if (start + this.width > this.values.length) {
      const grown = new Float64Array(this.values.length * 2);
      grown.set(this.values);
      this.values = grown;
    }
    return start;
  }

  /** Adds the last row once more, and returns which row the copy is. */
  repeatLast(): number {
    const to = this.add();
    this.values.copyWithin(to, to - this.width, to);
    return this.rows - 1;
  }

  /** Copies a row to the place of an earlier one, or its own. */
  move(row: number, to: number): void {
    const { width } = this;
    if (row !== to) this.values.copyWithin(to * width, row * width, (row + 1) * width);
  }

  /** Takes the last row of another buffer over, and returns which row it is here. */
  takeLast(from: VectorBuffer): number {
    from.rows--;
    const start = from.rows * from.width;
    this.values.set(from.values.subarray(start, start + from.width), this.add());
    return this.rows - 1;
  }

  clear(): void {
    this.rows = 0;
  }
}
