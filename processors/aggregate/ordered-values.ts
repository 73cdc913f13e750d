const initialLength = 8;

/**
 * The values of a window in ascending order, with repeats: what min, max and quantile share. −0
 * counts as 0. Update and retract cost O(log n) comparisons and one move of up to n numbers.
 */
export class OrderedValues {
  size = 0;
  #values = new Float64Array(initialLength);

  /** The value at `rank` from 0; NaN beyond the size. */
  at(rank: number): number {
    return rank >= 0 && rank < this.size ? (this.#values[rank] as number) : Number.NaN;
  }

  update(value: number): void {
    if (Number.isNaN(value)) return;
    if (this.size === this.#values.length) this.#resize(this.size * 2);
    const at = this.#firstAbove(value);
    if (at < this.size) this.#values.copyWithin(at + 1, at, this.size);
    this.#values[at] = value + 0;
    this.size++;
  }

  retract(value: number): void {
    if (Number.isNaN(value)) return;
    const at = this.#firstAbove(value) - 1;
    if (at < 0 || this.#values[at] !== value) {
      throw new RangeError(`the value ${value} was never put in`);
    }
    this.#values.copyWithin(at, at + 1, this.size);
    this.size--;
    const { length } = this.#values;
    if (length > initialLength && this.size * 4 < length) this.#resize(length / 2);
  }

  #firstAbove(value: number): number {
    const values = this.#values;
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((values[middle] as number) <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #resize(length: number): void {
    const values = new Float64Array(length);
    values.set(this.#values.subarray(0, this.size));
    this.#values = values;
  }
}

/** The parts of an algebra that all over {@link OrderedValues} have in common. */
export const orderedValues = {
  stateName: "ordered",
  prepare: () => new OrderedValues(),
  update(state: OrderedValues, value: number) {
    state.update(value);
  },
  retract(state: OrderedValues, value: number) {
    state.retract(value);
  },
};
