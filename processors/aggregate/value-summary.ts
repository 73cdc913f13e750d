import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { bucketOf, exactBits, middleOf } from "./value-buckets.ts";

/** Buckets of a summary; beyond them values are told apart less finely. */
export const bucketsMax = 1_024;
/** Mantissa bits of the first resolution that is not exact. */
const firstBits = 6;
const initialLength = 8;
/** Buckets a block are 2^blockShift; blocks of counts make a rank cheap to find. */
const blockShift = 5;

/**
 * How many values there are of each magnitude: the quantiles of tiles.
 *
 * While the values are at most 1,024 different ones they are all told apart and quantiles are
 * exact. Beyond that a bucket holds the values that agree in sign, exponent and the first 6 bits of
 * the mantissa, and is read as its middle: the relative error of a quantile is at most 2^−7
 * (0.79 %). Every time 1,024 buckets do not suffice (values of both signs over 7 powers of 2 do not
 * need more) a bit is dropped everywhere and the error bound doubles, to 1/2 at no bits (with at
 * most 4,199 buckets). Merging and removing parts is exact at the coarser resolution of the two;
 * an empty summary starts again at the finest.
 *
 * @see Masson, Rim, Lee, DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
 * Guarantees (VLDB 2019): relative error by logarithmic buckets, here with the logarithm
 * interpolated linearly between powers of 2 (their "fast" mapping).
 * @see Epicoco et al., UDDSketch (2020): halving the resolution evenly, which keeps a bound.
 */
export class ValueSummary {
  size = 0;
  #bits = exactBits;
  #length = 0;
  /** Ascending beginnings of buckets, and how many values each holds (never 0). */
  #buckets = new Float64Array(initialLength);
  #counts = new Float64Array(initialLength);
  /** Sums of the counts of 32 places each. */
  #blocks = new Float64Array(1);

  update(value: number): void {
    if (!Number.isNaN(value)) this.#add(value, 1);
  }

  merge(other: ValueSummary): void {
    this.#coarsenTo(other.#bits);
    for (let i = 0; i < other.#length; i++) {
      this.#add(other.#buckets[i] as number, other.#counts[i] as number);
    }
  }

  remove(part: ValueSummary): void {
    this.#coarsenTo(part.#bits);
    for (let i = 0; i < part.#length; i++) {
      const bucket = bucketOf(part.#buckets[i] as number, this.#bits);
      const place = this.#placeOf(bucket);
      const count = part.#counts[i] as number;
      const left = place < this.#length ? (this.#counts[place] as number) - count : -1;
      if (left < 0 || this.#buckets[place] !== bucket) {
        throw new RangeError(`the values about ${bucket} were never put in`);
      }
      this.#counts[place] = left;
      this.#blocks[place >>> blockShift] = (this.#blocks[place >>> blockShift] as number) - count;
      this.size -= count;
      if (left === 0) this.#close(place);
    }
    if (this.size === 0) this.#bits = exactBits;
  }

  /** The value at `rank` from 0, to the error of the class; NaN beyond the size. */
  at(rank: number): number {
    if (!(rank >= 0 && rank < this.size)) return Number.NaN;
    let left = rank;
    let block = 0;
    while (left >= (this.#blocks[block] as number)) left -= this.#blocks[block++] as number;
    let place = block << blockShift;
    while (left >= (this.#counts[place] as number)) left -= this.#counts[place++] as number;
    return middleOf(this.#buckets[place] as number, this.#bits);
  }

  /** u8 mantissa bits, u16 buckets, then the f64 beginning and the f64 count of each. */
  write(writer: ByteWriter): void {
    writer.u8(this.#bits);
    writer.u16(this.#length);
    for (let i = 0; i < this.#length; i++) {
      writer.f64(this.#buckets[i] as number);
      writer.f64(this.#counts[i] as number);
    }
  }

  static read(reader: ByteReader): ValueSummary {
    const summary = new ValueSummary();
    summary.#bits = reader.u8();
    const length = reader.u16();
    summary.#resize(Math.max(length, initialLength));
    for (let i = 0; i < length; i++) {
      summary.#buckets[i] = reader.f64();
      const count = reader.f64();
      summary.#counts[i] = count;
      summary.size += count;
    }
    summary.#length = length;
    summary.#sumBlocks();
    return summary;
  }

  #add(value: number, count: number): void {
    const bucket = bucketOf(value, this.#bits);
    const place = this.#placeOf(bucket);
    this.size += count;
    if (place === this.#length || this.#buckets[place] !== bucket) this.#open(place, bucket);
    this.#counts[place] = (this.#counts[place] as number) + count;
    const block = place >>> blockShift;
    this.#blocks[block] = (this.#blocks[block] as number) + count;
    while (this.#length > bucketsMax && this.#bits > 0) this.#coarsenTo(this.#nextBits());
  }

  #nextBits(): number {
    return this.#bits === exactBits ? firstBits : this.#bits - 1;
  }

  /** The first place whose bucket is not below; usually there already, so a plain search. */
  #placeOf(bucket: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#buckets[middle] as number) < bucket) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Makes an empty bucket; what moves from block to block is one count each. */
  #open(place: number, bucket: number): void {
    const length = this.#length;
    if (length === this.#buckets.length) this.#resize(length * 2);
    const last = length >>> blockShift;
    for (let block = last; block > place >>> blockShift; block--) {
      this.#moveCount(block - 1, block, (block << blockShift) - 1);
    }
    this.#buckets.copyWithin(place + 1, place, length);
    this.#counts.copyWithin(place + 1, place, length);
    this.#buckets[place] = bucket;
    this.#counts[place] = 0;
    this.#length++;
  }

  /** Takes an empty bucket away. */
  #close(place: number): void {
    const length = this.#length;
    const last = (length - 1) >>> blockShift;
    for (let block = place >>> blockShift; block < last; block++) {
      this.#moveCount(block + 1, block, (block + 1) << blockShift);
    }
    this.#buckets.copyWithin(place, place + 1, length);
    this.#counts.copyWithin(place, place + 1, length);
    this.#length--;
  }

  #moveCount(from: number, to: number, place: number): void {
    const count = this.#counts[place] as number;
    this.#blocks[from] = (this.#blocks[from] as number) - count;
    this.#blocks[to] = (this.#blocks[to] as number) + count;
  }

  #coarsenTo(bits: number): void {
    if (bits >= this.#bits) return;
    this.#bits = bits;
    let kept = 0;
    for (let i = 0; i < this.#length; i++) {
      const bucket = bucketOf(this.#buckets[i] as number, bits);
      const count = this.#counts[i] as number;
      if (kept > 0 && this.#buckets[kept - 1] === bucket) {
        this.#counts[kept - 1] = (this.#counts[kept - 1] as number) + count;
      } else {
        this.#buckets[kept] = bucket;
        this.#counts[kept++] = count;
      }
    }
    this.#length = kept;
    this.#sumBlocks();
  }

  #sumBlocks(): void {
    this.#blocks.fill(0);
    for (let i = 0; i < this.#length; i++) {
      const block = i >>> blockShift;
      this.#blocks[block] = (this.#blocks[block] as number) + (this.#counts[i] as number);
    }
  }

  #resize(length: number): void {
    this.#buckets = grown(this.#buckets, length);
    this.#counts = grown(this.#counts, length);
    this.#blocks = grown(this.#blocks, (length >>> blockShift) + 1);
  }
}

function grown(array: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(length);
  larger.set(array);
  return larger;
}
