/** How to close what was opened. */
export type Close = () => Promise<void>;

/**
 * Does work that opens things, then closes these in reverse order, each whatever became of the
 * others: what stays open would keep the process alive. An error of the work counts before one of
 * closing.
 *
 * @param work - adds to the list how to close each thing that it opens.
 */
export async function closingAfter<T>(work: (closing: Close[]) => Promise<T>): Promise<T> {
  const closing: Close[] = [];
  const [outcome] = await Promise.allSettled([work(closing)]);
  const errors: unknown[] = [];
  for (const close of closing.toReversed()) {
    await close().catch((error: unknown) => errors.push(error));
  }
  if (outcome.status === "rejected") throw outcome.reason;
  if (errors.length > 0) throw errors[0];
  return outcome.value;
}
