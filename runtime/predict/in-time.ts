/** What came in place of an answer that was late. */
export const late = Symbol("late");

const longestTimerMs = 2 ** 31 - 1;

/** What work gives by an instant of `performance.now()`, or that it is late: it goes on unheard. */
export async function inTime<T>(work: Promise<T>, deadlineAt: number): Promise<T | typeof late> {
  const leftMs = deadlineAt - performance.now();
  if (leftMs > longestTimerMs) return await work;
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<typeof late>((resolve) => {
    timer = setTimeout(() => resolve(late), Math.max(0, leftMs));
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
}
