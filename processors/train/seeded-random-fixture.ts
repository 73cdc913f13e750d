/**
 * A seeded stream of whole numbers (xoshiro128**, seeded from text by FNV-1a and splitmix): equal
 * seeds give equal streams on every machine.
 *
 * @returns a function: bound → whole number in [0, bound), bound ≤ 2^32.
 * @see Blackman and Vigna, Scrambled linear pseudorandom number generators, 2021
 */
export function seededRandom(seed: string): (bound: number) => number {
  let mixed = 0x811c9dc5;
  for (const byte of Buffer.from(seed, "utf8")) mixed = Math.imul(mixed ^ byte, 0x01000193);
  const next = (): number => {
    mixed = (mixed + 0x9e3779b9) | 0;
    let z = mixed;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return z ^ (z >>> 16);
  };
  let a = next();
  let b = next();
  let c = next();
  let d = next() | 1;
  return (bound) => {
    const product = Math.imul(b, 5);
    const word = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return Math.floor((word / 4294967296) * bound);
  };
}
