/** So long nothing ends, ms, until those that run are named. */
const silence = 300_000;

/**
 * Names the tests that have begun and not ended, with their files, whenever nothing was heard of
 * any for long, and those of a file that has not ended in its time.
 *
 * @param events - of `run`.
 */
export function sayWhatHangs(events, say, silenceMs = silence) {
  const running = new Map();
  const timer = setInterval(() => {
    say(`No test has begun or ended for ${silenceMs / 1000} s. Running:`);
    tell([...running.values()]);
  }, silenceMs);
  timer.unref();
  const tell = (tests) => {
    for (const { name, file, line } of tests) say(`  ${name} (${file}:${line})`);
  };
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
      const left = [...running.values()].filter(({ file }) => file === test.name);
      if (left.length === 0) return;
      say(`${test.name} has ended before these tests of it:`);
      tell(left);
      for (const each of left) running.delete(key(each));
    });
  }
  return { stop: () => clearInterval(timer) };
}
