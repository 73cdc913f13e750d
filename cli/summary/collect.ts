import { countCommitted, readCommitted } from "../../broker/committed-records.ts";
import type { RunningPlan } from "../../runtime/hosting/running-plan.ts";
import { type Stack, storesOf, type TopologyStack } from "../../runtime/hosting/stack.ts";
import { offlineEncoders } from "../../runtime/offline/tables.ts";
import { isProgress, readTallies } from "../../runtime/row-topics/tally.ts";
import { viewTable } from "../../schemas/feature-view.ts";
import { type Plan, type TopicSpec, topologyOf } from "../../schemas/plan.ts";
import { outcomesFor, outcomesOf, predictionsOf, viewsOf } from "../../schemas/plan-facts.ts";
import { quoteText } from "../../schemas/sql-text.ts";
import { aucSql, knownSql } from "../../serving/model-lines.ts";
import { byVersion, fallbackAuc, type Served, servedOf } from "./served.ts";
import {
  type GroundTruth,
  imbalances,
  type ModelSummary,
  type Rejects,
  type Summary,
  type TableCount,
  topologySummary,
} from "./summary.ts";

/** What a run knows about itself; the rest is asked of the stores. */
export interface RunFacts {
  readonly range: { readonly from: number; readonly to: number };
  readonly eventsPerSecond: number;
  readonly maxRssBytes: number;
  readonly workerMaxRssBytes: Readonly<Record<string, number>>;
}

/** The summary, and what does not add up in it. */
export async function collectSummary(
  running: readonly RunningPlan[],
  stack: Stack,
  facts: RunFacts,
): Promise<{ summary: Summary; problems: readonly string[] }> {
  const parts: PlanCounts[] = [];
  for (const each of running)
    parts.push(await countPlan(each, storesOf(stack, topologyOf(each.plan))));
  // Others count what they have and may write meanwhile.
  const alone = running.every(({ elsewhere }) => elsewhere === 0);
  const problems = alone ? parts.flatMap((part) => part.problems) : [];
  const served = parts.flatMap((part) => part.served);
  const fallback = served.filter(({ version }) => version === null);
  const summary: Summary = {
    stack: stack.kind,
    range: { from: iso(facts.range.from), to: iso(facts.range.to) },
    balanced: alone ? problems.length === 0 : null,
    topologies: Object.fromEntries(
      running.map((each, i) => [
        each.plan.name,
        topologySummary(each.accounts(), (parts[i] as PlanCounts).rejects),
      ]),
    ),
    features: { rows: sum(parts, ({ featureRows }) => featureRows) },
    predictions: {
      total: sum(served, ({ total }) => total),
      fallback: sum(fallback, ({ total }) => total),
      byVersion: byVersion(served),
    },
    outcomes: {
      labelled: sum(parts, ({ outcomes }) => outcomes.labelled),
      takenForNegative: sum(parts, ({ outcomes }) => outcomes.takenForNegative),
      unknown: sum(parts, ({ outcomes }) => outcomes.unknown),
      pending: sum(parts, ({ outcomes }) => outcomes.pending),
    },
    models: parts.flatMap((part) => part.models),
    fallbackAuc: fallbackAuc(served),
    throughput: { eventsPerSecond: facts.eventsPerSecond },
    memory: { maxRssBytes: facts.maxRssBytes, workerMaxRssBytes: facts.workerMaxRssBytes },
  };
  return { summary, problems };
}

/** What the stores and topics hold of one topology. */
interface PlanCounts {
  readonly served: readonly Served[];
  readonly outcomes: Summary["outcomes"];
  readonly featureRows: number;
  readonly models: readonly ModelSummary[];
  readonly rejects: Rejects;
  readonly problems: readonly string[];
}

async function countPlan(running: RunningPlan, stack: TopologyStack): Promise<PlanCounts> {
  const { plan } = running;
  const tables = await countTables(plan, stack);
  const served = await servedByVersion(plan, stack);
  const counted = await countOutcomes(plan, stack);
  const predictions = sum(served, ({ total }) => total);
  // A prediction without a label step waits for nothing.
  const alone = predictionsOf(plan).filter((each) => outcomesFor(plan, each) === undefined);
  const unasked = sum(
    served.filter(({ scoring }) => alone.some(({ name }) => name === scoring)),
    ({ total }) => total,
  );
  const { labelled, takenForNegative, unknown } = counted;
  const pending = predictions - unasked - labelled - takenForNegative - unknown;
  const outcomes = { ...counted, pending };
  const problems = imbalances({
    branches: running.accounts(),
    scoringBranches: predictionsOf(plan).map(({ name }) => name),
    predictions,
    unasked,
    outcomes,
    tables,
  });
  const viewTables = new Set(viewsOf(plan).map(viewTable));
  return {
    served,
    outcomes,
    featureRows: sum(tables, ({ table, rows }) => (viewTables.has(table) ? rows : 0)),
    models: await modelSummaries(plan, stack, served),
    rejects: {
      lateRecords: await countRole(plan, stack, "late"),
      deadLetters: await countRole(plan, stack, "dead-letters"),
      deadLettersByCode: await deadLettersByCode(plan, stack),
    },
    problems,
  };
}

async function countTables(plan: Plan, stack: TopologyStack): Promise<TableCount[]> {
  const counts: TableCount[] = [];
  for (const { topic, encoder } of offlineEncoders(plan, stack.registry)) {
    const table = encoder.table.name;
    const [found] = await stack.offline.query<{ rows: number }>(
      `SELECT toFloat64(count()) AS rows FROM ${table} WHERE topic = ${quoteText(topic)}`,
    );
    counts.push({ table, rows: found?.rows ?? 0, records: await countRows(plan, stack, topic) });
  }
  return counts;
}

async function countRows(plan: Plan, { broker }: TopologyStack, topic: string): Promise<number> {
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

/** Records of all topics of a role. */
async function countRole(
  { topics }: Plan,
  { broker }: TopologyStack,
  role: TopicSpec["role"],
): Promise<number> {
  let records = 0;
  for (const topic of topics.filter((each) => each.role === role)) {
    for (let partition = 0; partition < topic.partitions; partition++) {
      records += await countCommitted(broker, topic.name, partition);
    }
  }
  return records;
}

async function deadLettersByCode(
  plan: Plan,
  { offline, registry }: TopologyStack,
): Promise<Rejects["deadLettersByCode"]> {
  const topics = plan.topics.filter(({ role }) => role === "dead-letters").map(({ name }) => name);
  const counts: [string, number][] = [];
  for (const { topic, encoder } of offlineEncoders(plan, registry)) {
    if (!topics.includes(topic)) continue;
    const found = await offline.query<{ code: string; letters: number }>(
      `SELECT code, toFloat64(count()) AS letters FROM ${encoder.table.name}
      WHERE topic = ${quoteText(topic)} GROUP BY code ORDER BY letters DESC, code`,
    );
    counts.push(...found.map(({ code, letters }) => [code, letters] as [string, number]));
  }
  return Object.fromEntries(counts);
}

async function servedByVersion(plan: Plan, { offline }: TopologyStack): Promise<Served[]> {
  const served: Served[] = [];
  for (const predictions of predictionsOf(plan)) {
    const { name, model } = predictions;
    const totals = await offline.query<{ version: string | null; total: number }>(
      `SELECT version, toFloat64(count()) AS total FROM ${name}
      GROUP BY version ORDER BY version`,
    );
    const outcomes = outcomesFor(plan, predictions);
    const aucs =
      outcomes === undefined
        ? []
        : await offline.query<{ version: string | null; labelled: number; auc: number | null }>(
            `SELECT version, toFloat64(${knownSql}) AS labelled, ${aucSql(predictions)} AS auc
            FROM ${outcomes.name} GROUP BY version`,
          );
    for (const { version, total } of totals) {
      const found = aucs.find((each) => each.version === version);
      const { labelled = 0, auc = null } = found ?? {};
      served.push({ scoring: name, model: model.name, version, total, labelled, auc });
    }
  }
  return served;
}

async function countOutcomes(
  plan: Plan,
  { offline }: TopologyStack,
): Promise<Omit<GroundTruth, "pending">> {
  const counted: Omit<GroundTruth, "pending">[] = [];
  for (const { name } of outcomesOf(plan)) {
    counted.push(
      ...(await offline.query<Omit<GroundTruth, "pending">>(
        `SELECT countIf(o.labelled) AS labelled, countIf(o.label IS NULL) AS unknown,
          countIf(NOT o.labelled AND o.label IS NOT NULL) AS "takenForNegative"
        FROM ${name} AS o`,
      )),
    );
  }
  return {
    labelled: sum(counted, ({ labelled }) => labelled),
    takenForNegative: sum(counted, ({ takenForNegative }) => takenForNegative),
    unknown: sum(counted, ({ unknown }) => unknown),
  };
}

async function modelSummaries(
  plan: Plan,
  { offline }: TopologyStack,
  served: readonly Served[],
): Promise<ModelSummary[]> {
  // Without anything that trains there is no table of models.
  if (!plan.topics.some(({ role }) => role === "models")) return [];
  const models = await offline.query<Omit<ModelSummary, "scored" | "labelled" | "liveAuc">>(
    `SELECT model, version, promoted = 1 AS promoted, toFloat64(trained_on) AS "trainedOn",
      formatDateTime(effective_from, '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS "effectiveFrom",
      holdout_auc AS "holdoutAuc", sha256
    FROM models
    ORDER BY effective_from, version`,
  );
  return models.map((model) => ({
    ...{ ...model, promoted: Boolean(model.promoted) },
    ...servedOf(served, model),
  }));
}

function sum<T>(all: readonly T[], of: (each: T) => number): number {
  return all.reduce((total, each) => total + of(each), 0);
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
