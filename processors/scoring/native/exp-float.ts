/** 2^(i/32): products of square roots, which are the same on every machine. */
const roots = Float64Array.from({ length: 32 }, (_, index) => {
  let root = 2;
  let product = 1;
  for (let bit = 16; bit >= 1; bit /= 2) {
    root = Math.sqrt(root);
    if ((index & bit) !== 0) product *= root;
  }
  return product;
});

/** Powers of two from 2^-160 on, which are exact. */
const lowest = -160;
const powers = Float64Array.from({ length: 300 }, (_, index) => 2 ** (index + lowest));

const perOctave = 32 / Math.LN2;
/** Of 2^(r/32) around 0, with an error of some 1e-10. */
const c2 = 0.693_147_180_691_620_3 / 32;
const c1 = 0.240_228_452_244_572_2 / 32 ** 2;
const c0 = 0.055_503_615_593_415_35 / 32 ** 3;

/**
 * exp in float as the C libraries of Linux compute it (error at most 0.502 ulp): in double by a
 * table of 2^(i/32) and a polynomial, then rounded once. A `Math.exp` that is rounded differs from
 * it in the last bit for six values in ten thousand.
 *
 * @param value - a float.
 * @see https://github.com/ARM-software/optimized-routines, math/expf.c for the method
 */
export function expFloat(value: number): number {
  if (!(value < 88.8)) return value >= 88.8 ? Number.POSITIVE_INFINITY : Number.NaN;
  if (value < -104) return 0;
  const scaled = value * perOctave;
  const whole = Math.round(scaled);
  const rest = scaled - whole;
  const square = rest * rest;
  const part = (c0 * rest + c1) * square + (c2 * rest + 1);
  const octaves = Math.floor(whole / 32);
  const index = whole - octaves * 32;
  const power = (roots[index] as number) * (powers[octaves - lowest] as number);
  return Math.fround(part * power);
}
