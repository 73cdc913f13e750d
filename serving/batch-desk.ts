import type { AskedVersion } from "./model-desk.ts";

/** Rows of a query that a model is to score into a table. */
export interface ScoreRequest extends AskedVersion {
  /** One SELECT that has every feature of the step by its name. */
  readonly query: string;
  /** Table of the topology's database. */
  readonly into: string;
  /** Rows of a page. */
  readonly pageRows: number;
}

/** What was found of it; what is stored of it already is not scored again. */
export interface ScoreJob {
  readonly topology: string;
  readonly job: string;
  readonly version: string;
  readonly sha256: string;
  readonly rows: number;
  readonly pages: number;
  /** Pages that are stored. */
  readonly stored: readonly number[];
  readonly storedRows: number;
}

export interface ScorePageRequest extends ScoreRequest {
  readonly found: ScoreJob;
  readonly page: number;
}

/** Scores rows of the offline store, a page at a time. */
export interface BatchDesk {
  scoreJob(request: ScoreRequest): Promise<ScoreJob>;
  scorePage(request: ScorePageRequest): Promise<{ readonly rows: number; readonly failed: number }>;
}

/** Names of the methods that may be asked for from outside the process. */
export const batchDeskMethods = ["scoreJob", "scorePage"] as const;
