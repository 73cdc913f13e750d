/** So long nothing ends, ms, until those that run are named. */
const silence = 300_000;

/**
 * Names the tests that have begun and not ended, with their files, whenever nothing was heard of
 * any for long.
 *
 * @param events - of `run`.
 */
export function sayWhatHangs(events, say, silenceMs = silence) {
  const running = new Map();
  const timer = setInterval(() => {
    say(`No test has begun or ended for ${silenceMs / 1000} s. Running:`);
    for (const { name, file, line } of running.values()) say(`  ${name} (${file}:${line})`);
  }, silenceMs);
  timer.unref();
  const key = ({ file, line, column, name }) => JSON.stringify([file, line, column, name]);
  events.on("test:dequeue", (test) => {
    // A whole file has its path for a name.
    if (test.name !== test.file) running.set(key(test), test);
    timer.refresh();
  });
  for (const end of ["test:pass", "test:fail"]) {
    events.on(end, (test) => {
      running.delete(key(test));
      timer.refresh();
    });
  }
  return { stop: () => clearInterval(timer) };
}
