/** A timer that comes in weeks, ms. */
const longMs = 2 ** 31 - 1;

/** Does work whose timers do not keep the process alive, and keeps it until the work is done. */
export async function held<Result>(work: () => Promise<Result>): Promise<Result> {
  const hold = setInterval(() => {}, longMs);
  try {
    return await work();
  } finally {
    clearInterval(hold);
  }
}
