import { countCommitted, readCommitted } from "../../broker/committed-records.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { offlineEncoders } from "../../runtime/offline/tables.ts";
import { isProgress, readTallies } from "../../runtime/row-topics/tally.ts";
import type { Plan } from "../../schemas/plan.ts";
import { aucSql } from "../../serving/model-lines.ts";
import { quoteText } from "../../sinks/sql-text.ts";
import {
  type BranchSummary,
  imbalances,
  type ModelSummary,
  type Summary,
  type TableCount,
  topologySummary,
} from "./summary.ts";

/** What a run knows about itself; the rest is asked of the stores. */
export interface RunFacts {
  readonly range: { readonly from: number; readonly to: number };
  readonly branches: readonly BranchSummary[];
  readonly eventsPerSecond: number;
  readonly maxRssBytes: number;
  readonly workerMaxRssBytes: Readonly<Record<string, number>>;
}

/** The summary, and what does not add up in it. */
export async function collectSummary(
  plan: Plan,
  stack: Stack,
  facts: RunFacts,
): Promise<{ summary: Summary; problems: readonly string[] }> {
  const tables = await countTables(plan, stack);
  const served = await servedByVersion(plan, stack);
  const outcomes = await countOutcomes(plan, stack);
  const predictions = sum(served, ({ total }) => total);
  const pending = predictions - outcomes.labelled - outcomes.unlabelled;
  const problems = imbalances({
    branches: facts.branches,
    scoringBranches: plan.scorings.map(({ name }) => name),
    predictions,
    outcomes: { ...outcomes, pending },
    tables,
  });
  const viewTables = new Set(plan.views.map(({ name, version }) => `raw_${name}_v${version}`));
  const fallback = served.find(({ version }) => version === null);
  const summary: Summary = {
    stack: stack.kind,
    range: { from: iso(facts.range.from), to: iso(facts.range.to) },
    balanced: problems.length === 0,
    topologies: { [plan.name]: topologySummary(facts.branches) },
    features: { rows: sum(tables, ({ table, rows }) => (viewTables.has(table) ? rows : 0)) },
    predictions: {
      total: predictions,
      fallback: fallback?.total ?? 0,
      byVersion: Object.fromEntries(
        served.flatMap(({ version, total }) => (version === null ? [] : [[version, total]])),
      ),
    },
    outcomes: { ...outcomes, pending },
    models: await modelSummaries(plan, stack, served),
    fallbackAuc: fallback?.auc ?? null,
    throughput: { eventsPerSecond: facts.eventsPerSecond },
    memory: { maxRssBytes: facts.maxRssBytes, workerMaxRssBytes: facts.workerMaxRssBytes },
  };
  return { summary, problems };
}

async function countTables(plan: Plan, stack: Stack): Promise<TableCount[]> {
  const counts: TableCount[] = [];
  for (const { topic, encoder } of offlineEncoders(plan, stack.registry)) {
    const table = encoder.table.name;
    const [found] = await stack.offline.query<{ rows: number }>(
      `SELECT toFloat64(count()) AS rows FROM millrace.${table}`,
    );
    counts.push({ table, rows: found?.rows ?? 0, records: await countRows(plan, stack, topic) });
  }
  return counts;
}

async function countRows(plan: Plan, { broker }: Stack, topic: string): Promise<number> {
  const { partitions = 1, role = "output" } = plan.topics.find((each) => each.name === topic) ?? {};
  let records = 0;
  const tallies = role === "rows" ? await readTallies(broker, plan.name, topic, partitions) : [];
  for (let partition = 0; partition < partitions; partition++) {
    const tally = tallies[partition];
    if (tally === undefined) records += await countCommitted(broker, topic, partition);
    else {
      records += tally.rows;
      await readCommitted(broker, topic, partition, (reader) => {
        if (reader.offset >= tally.below && !isProgress(reader)) records++;
      });
    }
  }
  return records;
}

/** Predictions of one version (null: the fallback) and how those with a label did. */
interface Served {
  readonly version: string | null;
  readonly total: number;
  readonly labelled: number;
  readonly auc: number | null;
}

async function servedByVersion(plan: Plan, { offline }: Stack): Promise<Served[]> {
  const served: Served[] = [];
  for (const { name } of plan.scorings) {
    const totals = await offline.query<{ version: string | null; total: number }>(
      `SELECT version, toFloat64(count()) AS total FROM millrace.${name}
      GROUP BY version ORDER BY version`,
    );
    const label = plan.labels.find(({ predictions }) => predictions === name);
    const aucs =
      label === undefined
        ? []
        : await offline.query<{ version: string | null; labelled: number; auc: number }>(
            `SELECT version, toFloat64(count()) AS labelled, ${aucSql} AS auc
            FROM millrace.${label.name} WHERE label IS NOT NULL GROUP BY version`,
          );
    for (const { version, total } of totals) {
      const found = aucs.find((each) => each.version === version);
      const auc = found === undefined || found.auc < 0 ? null : found.auc;
      served.push({ version, total, labelled: found?.labelled ?? 0, auc });
    }
  }
  return served;
}

async function countOutcomes(
  plan: Plan,
  { offline }: Stack,
): Promise<{ labelled: number; unlabelled: number }> {
  let [labelled, unlabelled] = [0, 0];
  for (const { name } of plan.labels) {
    const [found] = await offline.query<{ all: number; labelled: number }>(
      `SELECT toFloat64(count()) AS all, toFloat64(countIf(labelled = 1)) AS labelled
      FROM millrace.${name}`,
    );
    labelled += found?.labelled ?? 0;
    unlabelled += (found?.all ?? 0) - (found?.labelled ?? 0);
  }
  return { labelled, unlabelled };
}

async function modelSummaries(
  plan: Plan,
  { offline }: Stack,
  served: readonly Served[],
): Promise<ModelSummary[]> {
  const models = await offline.query<Omit<ModelSummary, "scored" | "labelled" | "liveAuc">>(
    `SELECT version, promoted = 1 AS promoted, toFloat64(trained_on) AS "trainedOn",
      formatDateTime(effective_from, '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS "effectiveFrom",
      holdout_auc AS "holdoutAuc", sha256
    FROM millrace.models WHERE topology = ${quoteText(plan.name)}
    ORDER BY effective_from, version`,
  );
  return models.map((model) => {
    const found = served.find(({ version }) => version === model.version);
    return {
      ...model,
      promoted: Boolean(model.promoted),
      scored: found?.total ?? 0,
      labelled: found?.labelled ?? 0,
      liveAuc: found?.auc ?? null,
    };
  });
}

function sum<T>(all: readonly T[], of: (each: T) => number): number {
  return all.reduce((total, each) => total + of(each), 0);
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
