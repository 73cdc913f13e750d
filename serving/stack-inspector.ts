import { countCommitted } from "../broker/committed-records.ts";
import { MillraceError } from "../schemas/errors.ts";
import { viewId } from "../schemas/feature-view.ts";
import { nearest } from "../schemas/nearest.ts";
import type { Plan } from "../schemas/plan.ts";
import { servedColumns } from "../schemas/plan-names.ts";
import type { OfflineStore } from "../sinks/store.ts";
import type { BatchDesk } from "./batch-desk.ts";
import { readFeatures } from "./feature-look-up.ts";
import type {
  ColumnLine,
  ConfigLine,
  DeadLetterLine,
  DeadLetterRequest,
  Inspector,
  SqlRequest,
  TopicReport,
  TopicsRequest,
} from "./inspector.ts";
import type { ModelDesk } from "./model-desk.ts";
import { modelLines } from "./model-lines.ts";
import { firstOf, namedTopology } from "./named-topology.ts";
import type { ServedStack } from "./served-stack.ts";

/**
 * Answers from an open stack; closing it is the caller's.
 *
 * @param now - of a live run: when features are looked up where no time is asked for. @default how
 * far the view is
 */
export function inspectStack(
  plans: readonly Plan[],
  stack: ServedStack,
  config: readonly ConfigLine[],
  now: () => number | null = () => null,
): Omit<Inspector, keyof ModelDesk | keyof BatchDesk> {
  return {
    topics: (request) => topicReports(plans, stack, request),
    features: (request) => readFeatures(plans, stack, { ...request, at: request.at ?? now() }),
    columns: async ({ view }) => columnLines(plans, view),
    deadLetters: (request) => deadLetterLines(plans, stack, request),
    models: ({ names }) => modelLines(plans, stack, names),
    sql: async (request) => (await queried(plans, stack, request)).toString("utf8"),
    sqlBytes: async (request) => (await queried(plans, stack, request)).toString("base64"),
    config: () => Promise.resolve([...config]),
    close: () => Promise.resolve(),
  };
}

function queried(
  plans: readonly Plan[],
  stack: ServedStack,
  { query, format, topology }: SqlRequest,
): Promise<Buffer> {
  const { name } = topology === null ? firstOf(plans) : namedTopology(plans, topology);
  return stack.offline.of(name).queryBytes(query, format, { readOnly: true });
}

function columnLines(plans: readonly Plan[], asked: string | null): ColumnLine[] {
  const all = servedColumns(plans).map(({ topology, view, column: name, ...told }) => {
    return { topology, view: viewId(view), name, ...told };
  });
  const found = all.filter(({ view }) => [null, view, view.split("@")[0]].includes(asked));
  if (found.length > 0 || asked === null) return found;
  const ids = [...new Set(all.map(({ view }) => view))];
  const near = nearest(asked, ids);
  throw new MillraceError("VIEW_UNKNOWN", { view: asked, near, known: ids.join(", ") });
}

async function topicReports(
  plans: readonly Plan[],
  { broker }: ServedStack,
  { names, countRecords }: TopicsRequest,
): Promise<TopicReport[]> {
  const roles = new Map(
    plans.flatMap(({ topics }) => topics.map(({ name, role }) => [name, role] as const)),
  );
  const all = await broker.describeTopics();
  const known = all.map(({ name }) => name);
  const name = names.find((each) => !known.includes(each));
  if (name !== undefined) {
    throw new MillraceError("LOOK_UNKNOWN", { what: "topic", name, near: nearest(name, known) });
  }
  const topics = all.filter(({ name }) => names.length === 0 || names.includes(name));
  const reports: TopicReport[] = [];
  for (const { name, partitions } of topics.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const places = Array.from({ length: partitions }, (_, p) => ({ topic: name, partition: p }));
    const starts = await broker.listOffsets(places.map((each) => ({ ...each, at: "earliest" })));
    const ends = await broker.listOffsets(places.map((each) => ({ ...each, at: "stable" })));
    const report: TopicReport["partitions"][number][] = [];
    for (const { partition } of places) {
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

async function deadLetterLines(
  plans: readonly Plan[],
  { offline }: Pick<ServedStack, "offline">,
  request: DeadLetterRequest,
): Promise<DeadLetterLine[]> {
  // They come from a socket, and become a part of a statement.
  checkCount("limit", request.limit);
  checkCount("bytes", request.bytes);
  const lines: DeadLetterLine[] = [];
  const wholes = plans.filter(({ growth }) => growth === undefined);
  for (const { name } of wholes) lines.push(...(await linesOf(name, offline.of(name), request)));
  // Each topology refuses by itself: its lines stay together, as many as were asked for in all.
  return lines.slice(0, request.limit);
}

function checkCount(name: string, count: unknown): void {
  if (typeof count === "number" && Number.isInteger(count) && count >= 0 && count <= 2 ** 31)
    return;
  const reason = `${name} is a whole number from 0 to ${2 ** 31}`;
  throw new MillraceError("INSPECT_REFUSED", { reason });
}

async function linesOf(
  topology: string,
  offline: Pick<OfflineStore, "query">,
  { limit, bytes }: DeadLetterRequest,
): Promise<DeadLetterLine[]> {
  const lines = await offline.query<
    Omit<DeadLetterLine, "topology" | "headers" | "schemaId"> & {
      headers: string;
      schemaId: string | null;
    }
  >(
    `SELECT source, source_partition AS partition, source_offset AS offset, step, code, reason,
      toUnixTimestamp64Milli(timestamp) AS timestamp, schema_id AS "schemaId", headers,
      length(key) AS "keyBytes", base64Encode(substring(key, 1, ${bytes})) AS "keyBase64",
      length(value) AS "valueBytes", base64Encode(substring(value, 1, ${bytes})) AS "valueBase64"
    FROM dead_letters ORDER BY source, partition, offset LIMIT ${limit}`,
  );
  return lines.map((line) => ({
    topology,
    ...line,
    schemaId: line.schemaId === null ? null : Number(line.schemaId),
    headers: JSON.parse(line.headers),
  }));
}
