import type { Counter } from "prom-client";
import { rowStates, type ScoreWork } from "../../../processors/scoring/score-work.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { Warn } from "../service.ts";
import type { ScoreResult } from "./scorer.ts";

/** Says which models fail: a warning for the first failure of each, and for each put aside. */
export class ModelWatch {
  readonly #warn: Warn;
  readonly #failedRows: Counter<"version"> | undefined;
  readonly #aside: Counter<"step"> | undefined;
  readonly #known = new Set<string>();

  /** @param steps - names of those that score: of each there is a series from the beginning on. */
  constructor(warn: Warn, metrics: Metrics | undefined, steps: readonly string[]) {
    this.#warn = warn;
    this.#failedRows = metrics?.counter(
      "millrace_model_failed_rows_total",
      "Rows that a model failed at: the fallback answered.",
      ["version"],
    );
    this.#aside = metrics?.counter(
      "millrace_model_put_aside_total",
      "Times that a task has put a model aside because it failed.",
      ["step"],
    );
    // An alarm sees a first time only where there was a number before.
    for (const step of steps) this.#aside?.inc({ step }, 0);
  }

  putAside(step: string, versions: readonly string[]): void {
    for (const version of versions) {
      this.#aside?.inc({ step });
      this.#warn("a model is put aside until the next one; the fallback answers", {
        step,
        version,
      });
    }
  }

  failed(step: string, { versionOf, versions }: ScoreWork, result: ScoreResult): void {
    for (const [row, state] of result.states.entries()) {
      if (state !== rowStates.failed) continue;
      const version = versions[versionOf[row] as number] as string;
      this.#failedRows?.inc({ version });
      const name = `${step}/${version}`;
      if (this.#known.has(name)) continue;
      this.#known.add(name);
      this.#warn("a model fails; the fallback answers", {
        step,
        version,
        reason: result.failure ?? "",
      });
    }
  }
}
