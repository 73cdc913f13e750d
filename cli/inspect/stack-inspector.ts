import type { Stack } from "../../runtime/application/stack.ts";
import type { Plan } from "../../schemas/plan.ts";
import { countCommitted } from "../verify/count-committed.ts";
import { readFeatures } from "./feature-look-up.ts";
import type { ConfigLine, DeadLetterLine, Inspector, TopicReport } from "./inspector.ts";
import { modelLines } from "./model-lines.ts";

/**
 * Answers from an open stack; closing it is the caller's.
 *
 * @param now - of a live run: when features are looked up where no time is asked for. @default how
 * far the view is
 */
export function inspectStack(
  plan: Plan,
  stack: Stack,
  config: readonly ConfigLine[],
  now: () => number | null = () => null,
): Inspector {
  return {
    topics: ({ countRecords }) => topicReports(plan, stack, countRecords),
    features: (request) => readFeatures(plan, stack, { ...request, at: request.at ?? now() }),
    deadLetters: ({ limit }) => deadLetterLines(stack, limit),
    models: () => modelLines(plan, stack),
    sql: ({ query, format }) => stack.offline.queryText(query, format, { readOnly: true }),
    config: () => Promise.resolve([...config]),
    close: () => Promise.resolve(),
  };
}

async function topicReports(
  plan: Plan,
  { broker }: Stack,
  countRecords: boolean,
): Promise<TopicReport[]> {
  const roles = new Map(plan.topics.map(({ name, role }) => [name, role]));
  const topics = await broker.describeTopics();
  const reports: TopicReport[] = [];
  for (const { name, partitions } of topics.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const all = Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }));
    const starts = await broker.listOffsets(all.map((each) => ({ ...each, at: "earliest" })));
    const ends = await broker.listOffsets(all.map((each) => ({ ...each, at: "stable" })));
    const report: TopicReport["partitions"][number][] = [];
    for (const { partition } of all) {
      report.push({
        start: starts[partition] as number,
        end: ends[partition] as number,
        records: countRecords ? await countCommitted(broker, name, partition) : null,
      });
    }
    reports.push({ name, role: roles.get(name) ?? "foreign", partitions: report });
  }
  return reports;
}

async function deadLetterLines({ offline }: Stack, limit: number): Promise<DeadLetterLine[]> {
  return offline.query<DeadLetterLine>(
    `SELECT source, source_partition AS partition, source_offset AS offset, step, code, reason,
      length(value) AS valueBytes
    FROM millrace.dead_letters ORDER BY source, partition, offset LIMIT ${Math.trunc(limit)}`,
  );
}
