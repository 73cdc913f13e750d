import { RunProcess } from "../run-process.ts";

/** One start after a SIGKILL, ms since the process was started. */
export interface Recovery {
  /** Until every task had its state again. */
  readonly restoredMs: number;
  /** Until the first transaction was committed, by the metrics of the run. */
  readonly firstCommitMs: number;
}

/** Event time that a start works through before it is killed, s: 3 h. */
const workSeconds = 3 * 3600;

/** Starts a run, kills it at work, and times each of the starts that follow. */
export async function timeRecovery(args: readonly string[], kills: number): Promise<Recovery[]> {
  const recoveries: Recovery[] = [];
  for (let start = 0; start <= kills; start++) {
    const started = performance.now();
    const run = new RunProcess(args);
    try {
      await run.saw(/"msg":"tasks restored"/);
      const restoredMs = performance.now() - started;
      const [, address = ""] = await run.saw(/^metrics +(http\S+)$/m);
      await until(run, address, (series) => series("millrace_commits_total") > 0);
      const firstCommitMs = performance.now() - started;
      if (start > 0) recoveries.push({ restoredMs, firstCommitMs });
      let from = Number.NEGATIVE_INFINITY;
      await until(run, address, (series) => {
        const at = predictionsAt(series);
        if (!Number.isFinite(from)) from = at;
        return Number.isFinite(from) && at >= from + workSeconds;
      });
    } finally {
      run.signal("SIGKILL");
      await run.ended;
    }
  }
  return recoveries;
}

type Series = (name: string) => number;

function predictionsAt(series: Series): number {
  return series('millrace_progress_seconds{subtopology="predictions",partition="0"}');
}

/** Scrapes until the series are as wanted. */
async function until(
  run: RunProcess,
  address: string,
  holds: (series: Series) => boolean,
): Promise<void> {
  let hasEnded = false;
  void run.ended.then(() => {
    hasEnded = true;
  });
  while (!hasEnded) {
    // A run at work may drop a connection that was kept for the next scrape.
    const series = await scrape(address).catch(() => null);
    if (series !== null && holds(series)) return;
  }
  throw new Error(`the run ended:\n${run.output}`);
}

/** By series its value; −Infinity for one that is not there yet. */
async function scrape(address: string): Promise<Series> {
  const lines = (await (await fetch(address)).text()).split("\n");
  return (name) => {
    const line = lines.find((each) => each.startsWith(`${name} `));
    return line === undefined ? Number.NEGATIVE_INFINITY : Number(line.slice(name.length + 1));
  };
}
