/** Binary digits behind the point of a scaled integer: every finite double is whole there. */
export const scaleBits = 1074n;

const bits = new DataView(new ArrayBuffer(8));

/** A finite double times 2^1074, exactly. */
export function toScaled(value: number): bigint {
  bits.setFloat64(0, value);
  const word = bits.getBigUint64(0);
  const exponent = (word >> 52n) & 0x7ffn;
  const fraction = word & 0xfffffffffffffn;
  const magnitude = exponent === 0n ? fraction : (fraction | 0x10000000000000n) << (exponent - 1n);
  return value < 0 ? -magnitude : magnitude;
}

/** The double nearest to a scaled integer; ties to even, ±Infinity beyond the range. */
export function fromScaled(total: bigint): number {
  const magnitude = total < 0n ? -total : total;
  const result = nearest(magnitude);
  return total < 0n ? -result : result;
}

/** √(square × 2^−2148) / divisor, to about a unit in the last place. */
export function rootOfScaledSquare(square: bigint, divisor: number): number {
  const excess = square.toString(16).length * 4 - 120;
  const half = BigInt(Math.max(0, Math.ceil(excess / 2)));
  const root = Math.sqrt(Number(square >> (2n * half))) / divisor;
  return scaleByPower(root, Number(half - scaleBits));
}

function nearest(magnitude: bigint): number {
  const shift = BigInt(Math.max(0, magnitude.toString(16).length * 4 - 64));
  // Below the normal range a unit is 2^-1074 itself: nothing is lost.
  if (shift === 0n && magnitude < 2n ** 53n) return Number(magnitude) * Number.MIN_VALUE;
  const kept = magnitude >> shift;
  const sticky = kept << shift === magnitude ? 0n : 1n;
  return scaleByPower(Number((kept << 1n) | sticky), Number(shift - 1n - scaleBits));
}

/** value × 2^power, in steps that stay in range as long as the result does. */
function scaleByPower(value: number, power: number): number {
  let result = value;
  let left = power;
  while (left > 1000) {
    result *= 2 ** 1000;
    left -= 1000;
  }
  while (left < -1000) {
    result *= 2 ** -1000;
    left += 1000;
  }
  return result * 2 ** left;
}
