import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import {
  type ExplainWork,
  explainResult,
  type RowExplanations,
} from "../../../processors/scoring/explain-work.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import { lostThreadsMax } from "../score/scoring-pool.ts";
import type { Service } from "../service.ts";
import { type ExplainTask, explainTasks, TaskExplainer } from "./explain-task.ts";

/**
 * Explains what models have said, in threads of its own: an explanation takes up to milliseconds,
 * and no score waits for it. It follows from the artifact and the row, so nothing of it is decided
 * and no time bounds it. Threads are started when there is something to explain; one that ends is
 * replaced, and its rows are asked for again, `lostThreadsMax` times in all. No reason stands in
 * for an explanation then: the same rows, read again, would have one.
 */
export const explaining: Service<ExplainWork> = {
  open: ({ artifacts, scoringThreads = 1 }) => {
    const { directory } = artifacts;
    const run = scoringThreads === 0 ? here(directory) : inThreads(directory, scoringThreads);
    return {
      run: async (work) => {
        for (const sha256 of work.artifacts) if (sha256 !== "") await artifacts.ensure(sha256);
        const all = await Promise.all(explainTasks(work).map((task) => run.explain(task)));
        return explainResult(all.flat());
      },
      close: () => run.close(),
    };
  },
  settled: (_, result) => result,
  repeat: () => ({ known: () => undefined, settled: (_, result) => result }),
};

interface Explainer {
  explain(task: ExplainTask): Promise<RowExplanations>;
  close(): Promise<void>;
}

function here(directory: string): Explainer {
  const explainer = new TaskExplainer(directory);
  let last: Promise<unknown> = Promise.resolve();
  return {
    explain: (task) => {
      const explained = last.then(() => explainer.run(task));
      last = explained.catch(() => {});
      return explained;
    },
    close: async () => {
      await last;
    },
  };
}

function inThreads(directory: string, threads: number): Explainer {
  let started: Piscina | null = null;
  // Piscina starts another only if the one before had started well; else what it holds would wait
  // for ever.
  const lost = (pool: Piscina): void => {
    if (pool !== started || pool.threads.length > 0) return;
    started = null;
    void pool.destroy();
  };
  return {
    explain: async (task) => {
      for (let asked = 1; ; asked++) {
        started ??= start(directory, threads, lost);
        const pool = started;
        try {
          return (await pool.run(task)) as RowExplanations;
        } catch (cause) {
          lost(pool);
          if (asked < lostThreadsMax) continue;
          const reason = cause instanceof Error ? cause.message : String(cause);
          throw new MillraceError("SCORING_THREAD_LOST", { reason }, { cause });
        }
      }
    },
    close: async () => {
      await started?.close();
    },
  };
}

function start(directory: string, threads: number, lost: (pool: Piscina) => void): Piscina {
  const here = fileURLToPath(import.meta.url);
  // Compiled files end in .cjs, sources run directly in .cts.
  const ending = `c${extname(here).slice(1)}`;
  const pool = new Piscina({
    filename: fileURLToPath(new URL(`./explain-thread.${ending}`, import.meta.url)),
    name: "explainRows",
    workerData: { directory },
    minThreads: threads,
    maxThreads: threads,
    idleTimeout: Number.POSITIVE_INFINITY,
    recordTiming: false,
  });
  // A thread that ended without a task: unheard, the event would end the process.
  pool.on("error", () => lost(pool));
  return pool;
}
