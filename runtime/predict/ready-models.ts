import { ScoreBatch } from "../../processors/scoring/score-batch.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Scorer } from "../services/score/scorer.ts";
import type { ArtifactStore } from "../services/train/artifacts.ts";

const modelFailures: readonly string[] = [
  ...["ARTIFACT_MISSING", "ARTIFACT_DAMAGED", "SCORING_THREAD_LOST"],
];

/** Whether a failure is a model's, or of what it is stored in: its rows have failed. */
export function isModelFailure(error: unknown): error is MillraceError {
  return error instanceof MillraceError && modelFailures.includes(error.code);
}

/** Models that the threads of a scorer have loaded: loading one is no part of asking it. */
export class ReadyModels {
  readonly #scorer: Pick<Scorer, "score">;
  readonly #artifacts: Pick<ArtifactStore, "ensure">;
  readonly #threads: number;
  readonly #ready = new Map<string, Promise<void>>();

  constructor(
    scorer: Pick<Scorer, "score">,
    artifacts: Pick<ArtifactStore, "ensure">,
    threads: number,
  ) {
    this.#scorer = scorer;
    this.#artifacts = artifacts;
    this.#threads = threads;
  }

  /**
   * Fetches a model where it is not here, and has each thread asked for a row by it.
   *
   * @throws {MillraceError} ARTIFACT_MISSING, ARTIFACT_DAMAGED, ARTIFACTS_UNREACHABLE,
   * SCORING_THREAD_LOST; the next call tries again.
   */
  ready(sha256: string, width: number): Promise<void> {
    const found = this.#ready.get(sha256);
    if (found !== undefined) return found;
    const loading = this.#load(sha256, width);
    this.#ready.set(sha256, loading);
    loading.catch(() => this.#ready.delete(sha256));
    return loading;
  }

  async #load(artifact: string, width: number): Promise<void> {
    await this.#artifacts.ensure(artifact);
    const ask = async () => {
      const batch = new ScoreBatch(width);
      batch.vectors.add();
      batch.add({ version: "", artifact, before: null }, 0, 0);
      const news = { putAside: [], asksNews: false, heard: 0, knownAt: 0 };
      await this.#scorer.score(batch.work(news).payload);
    };
    await Promise.all(Array.from({ length: this.#threads }, ask));
  }
}
