/** Latencies of one operation, ms. */
export interface Timing {
  readonly name: string;
  readonly samples: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Calls before measuring, so that code is compiled and connections stand. */
export const warmUpCalls = 2_000;

/** Times an operation call by call, one at a time: nothing waits behind anything else. */
export async function time(
  name: string,
  samples: number,
  operation: (call: number) => Promise<unknown>,
): Promise<Timing> {
  for (let call = 0; call < warmUpCalls; call++) await operation(call);
  const taken = new Float64Array(samples);
  for (let call = 0; call < samples; call++) {
    const started = performance.now();
    await operation(call);
    taken[call] = performance.now() - started;
  }
  taken.sort();
  const at = (share: number) => taken[Math.min(samples - 1, Math.floor(share * samples))] as number;
  return { name, samples, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** Of several rounds the median of each figure: the machine may be busy in one of them. */
export function medianOf(rounds: readonly Timing[]): Timing {
  const [first] = rounds;
  if (first === undefined) throw new RangeError("no round was measured");
  const of = (figure: (timing: Timing) => number) => median(rounds.map(figure));
  return {
    name: first.name,
    samples: rounds.reduce((sum, { samples }) => sum + samples, 0),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    max: of(({ max }) => max),
  };
}

/** The middle one; of an even number the greater of the two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
