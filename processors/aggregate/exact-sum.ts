import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { readBigInt, writeBigInt } from "./big-integer.ts";
import { fromScaled, scaleBits, toScaled } from "./scaled-integer.ts";

/** From here on every double is a whole number: summed as big integers, so nothing overflows. */
const hugeFrom = 2 ** 960;
const safe = Number.MAX_SAFE_INTEGER;
/** An expansion that is longer than this is made anew: 40 doubles always suffice. */
const partsMax = 64;

/**
 * The exact sum of finite doubles under adding and taking out: the result depends on neither order
 * nor history. `round` gives the double nearest to it.
 *
 * Whole numbers stay in one double as long as their sum is exact there; other numbers go to an
 * expansion (non-overlapping doubles of growing magnitude), at most 64 long.
 *
 * @see Shewchuk, Adaptive Precision Floating-Point Arithmetic (1997), grow-expansion.
 */
export class ExactSum {
  #whole = 0;
  readonly #parts: number[] = [];
  #huge = 0n;
  #infinities = 0;
  #minusInfinities = 0;

  add(value: number): void {
    if (Number.isInteger(value)) {
      const sum = this.#whole + value;
      if (sum <= safe && sum >= -safe && value <= safe && value >= -safe) {
        this.#whole = sum;
        return;
      }
    }
    this.#addWide(value);
  }

  subtract(value: number): void {
    if (value === Number.POSITIVE_INFINITY) this.#infinities--;
    else if (value === Number.NEGATIVE_INFINITY) this.#minusInfinities--;
    else this.add(-value);
  }

  merge(other: ExactSum): void {
    this.#infinities += other.#infinities;
    this.#minusInfinities += other.#minusInfinities;
    this.#huge += other.#huge;
    this.add(other.#whole);
    for (const part of other.#parts) this.#grow(part);
  }

  /** Takes out a sum that was merged in before. */
  remove(part: ExactSum): void {
    this.#infinities -= part.#infinities;
    this.#minusInfinities -= part.#minusInfinities;
    this.#huge -= part.#huge;
    this.add(-part.#whole);
    for (const each of part.#parts) this.#grow(-each);
  }

  /** f64 whole, u8 parts, their f64s, u8 rare; if 1: two f64 of infinities, the huge part. */
  write(writer: ByteWriter): void {
    writer.f64(this.#whole);
    writer.u8(this.#parts.length);
    for (const part of this.#parts) writer.f64(part);
    const isRare = this.#huge !== 0n || this.#infinities !== 0 || this.#minusInfinities !== 0;
    writer.u8(isRare ? 1 : 0);
    if (!isRare) return;
    writer.f64(this.#infinities);
    writer.f64(this.#minusInfinities);
    writeBigInt(writer, this.#huge);
  }

  static read(reader: ByteReader): ExactSum {
    const sum = new ExactSum();
    sum.#whole = reader.f64();
    for (let parts = reader.u8(); parts > 0; parts--) sum.#parts.push(reader.f64());
    if (reader.u8() === 0) return sum;
    sum.#infinities = reader.f64();
    sum.#minusInfinities = reader.f64();
    sum.#huge = readBigInt(reader);
    return sum;
  }

  /** The nearest double; ±Infinity and NaN as addition gives them. */
  round(): number {
    if (this.#infinities > 0 || this.#minusInfinities > 0) {
      if (this.#infinities > 0 && this.#minusInfinities > 0) return Number.NaN;
      return this.#infinities > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    }
    if (this.#huge !== 0n) return fromScaled(this.scaled());
    if (this.#parts.length === 0) return this.#whole;
    this.#settle();
    return roundExpansion(this.#parts);
  }

  /** A `divisor`th of the sum, which need not lie beyond the range where the sum does. */
  over(divisor: number): number {
    const sum = this.round();
    if (Number.isFinite(sum) || this.#infinities > 0 || this.#minusInfinities > 0) {
      return sum / divisor;
    }
    return fromScaled(this.scaled() / BigInt(divisor));
  }

  /** Calls `take` with numbers whose exact sum this is, huge and infinite values left out. */
  forEachPart(take: (part: number) => void): void {
    if (this.#whole !== 0) take(this.#whole);
    for (const part of this.#parts) take(part);
  }

  /** The exact sum times 2^1074; infinite values are left out. */
  scaled(): bigint {
    return ((this.#huge + BigInt(this.#whole)) << scaleBits) + scaledSum(this.#parts);
  }

  #addWide(value: number): void {
    if (value === Number.POSITIVE_INFINITY) this.#infinities++;
    else if (value === Number.NEGATIVE_INFINITY) this.#minusInfinities++;
    else if (value >= hugeFrom || value <= -hugeFrom) this.#huge += BigInt(value);
    else this.#grow(value);
  }

  /** Adds to the expansion; its parts stay non-overlapping and without zeros. */
  #grow(value: number): void {
    const parts = this.#parts;
    let x = value;
    let kept = 0;
    for (let i = 0; i < parts.length; i++) {
      const y = parts[i] as number;
      const sum = x + y;
      const virtual = sum - x;
      const error = x - (sum - virtual) + (y - virtual);
      if (error !== 0) parts[kept++] = error;
      x = sum;
    }
    parts.length = kept;
    if (x !== 0) parts.push(x);
    if (parts.length > partsMax) this.#renew();
  }

  /** Cancellation leaves parts of few bits each: makes them anew from the sum, 53 bits a part. */
  #renew(): void {
    let rest = scaledSum(this.#parts);
    this.#parts.length = 0;
    while (rest !== 0n) {
      const part = fromScaled(rest);
      this.#parts.unshift(part);
      rest -= toScaled(part);
    }
  }

  /** Moves the whole part into the expansion, for one rounding of all. */
  #settle(): void {
    if (this.#whole === 0) return;
    this.#grow(this.#whole);
    this.#whole = 0;
  }
}

function scaledSum(parts: readonly number[]): bigint {
  let total = 0n;
  for (const part of parts) total += toScaled(part);
  return total;
}

/**
 * The double nearest to the sum of a non-overlapping expansion of growing magnitude; ties to even.
 *
 * @see CPython, math.fsum.
 */
function roundExpansion(parts: readonly number[]): number {
  let i = parts.length - 1;
  if (i < 0) return 0;
  let high = parts[i] as number;
  let low = 0;
  while (i > 0) {
    const x = high;
    const y = parts[--i] as number;
    high = x + y;
    low = y - (high - x);
    if (low !== 0) break;
  }
  const below = i > 0 ? (parts[i - 1] as number) : 0;
  if ((low < 0 && below < 0) || (low > 0 && below > 0)) {
    const twice = low * 2;
    const next = high + twice;
    if (twice === next - high) high = next;
  }
  return high;
}
