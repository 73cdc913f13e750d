/** What a draw is for: draws for different purposes are independent. */
export const purposes = {
  permute: 1,
  disorder: 2,
  late: 3,
  duplicate: 4,
  shift: 5,
} as const;

/**
 * A number in [0, 1) that depends on its arguments alone, not on what was drawn before: the same
 * flight is disturbed in the same way whatever range is replayed and wherever it was resumed.
 *
 * @see https://github.com/aappleby/smhasher (fmix32 of MurmurHash3)
 */
export function draw(seed: number, purpose: number, stream: number, number: number): number {
  let h = mix(seed ^ Math.imul(purpose, 0x9e3779b1));
  h = mix(h ^ Math.imul(stream + 1, 0x85ebca77));
  h = mix(h ^ (number | 0));
  h = mix(h ^ Math.floor(number / 0x1_0000_0000));
  return h / 0x1_0000_0000;
}

function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
