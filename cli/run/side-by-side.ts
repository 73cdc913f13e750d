/**
 * Runs two sides of a run until both have ended. The signal stops both, and a failure of one stops
 * the other; how each ended is returned.
 */
export async function sideBySide<Left, Right>(
  signal: AbortSignal,
  left: (signal: AbortSignal) => Promise<Left>,
  right: (signal: AbortSignal) => Promise<Right>,
): Promise<[PromiseSettledResult<Left>, PromiseSettledResult<Right>]> {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const stopOther = (error: unknown): never => {
    failure.abort();
    throw error;
  };
  return Promise.allSettled([left(either).catch(stopOther), right(either).catch(stopOther)]);
}
