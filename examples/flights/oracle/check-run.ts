import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Stack } from "../../../runtime/hosting/stack.ts";
import type { FeatureViewSpec } from "../../../schemas/feature-view.ts";
import type { Plan } from "../../../schemas/plan.ts";
import { flightFiles } from "../flights-file.ts";
import { checkOfflineRows, type OracleReport } from "./check-offline-rows.ts";
import { type TopicDump, topicLines } from "./events-sql.ts";

export interface RunToCheck {
  readonly plan: Plan;
  readonly stack: Pick<Stack, "broker" | "registry" | "offline">;
  /** Event time that was run, UTC ms. */
  readonly from: number;
  readonly to: number;
  /** Injections of the run as written; some change delays. */
  readonly inject: readonly string[];
  readonly points: number;
  /** @default 1 */
  readonly seed?: number;
  /** SQL of the rows of a view. @default its table */
  readonly rowsOf?: (view: FeatureViewSpec, events: string) => string;
}

/**
 * Compares the offline rows of a finished run with a naive recomputation in SQL; order and event
 * time of its records are taken from its topics. Its files lie in a folder of their own meanwhile.
 */
export async function checkRun(run: RunToCheck): Promise<OracleReport> {
  const { plan, stack, inject, seed = 1, ...rest } = run;
  const folder = await mkdtemp(join(tmpdir(), "millrace-oracle-"));
  const ownDelays = inject.some((each) => /shift-|permute@/.test(each));
  try {
    const dumps = new Map<string, TopicDump>();
    for (const source of plan.sources) {
      const path = join(folder, `${source.topic}.tsv`);
      const lines = topicLines(stack.broker, stack.registry, source, plan.partitions);
      await pipeline(lines, createWriteStream(path, { mode: 0o600 }));
      dumps.set(source.topic, { path, ownDelays });
    }
    const files = flightFiles();
    return await checkOfflineRows({
      ...rest,
      plan,
      offline: stack.offline.of(plan.name),
      files,
      seed,
      folder,
      dumps,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
