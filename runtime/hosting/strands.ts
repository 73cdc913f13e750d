import type { Broker } from "../../broker/broker.ts";
import { committedPages, readCommitted } from "../../broker/committed-records.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { featureColumns, viewId } from "../../schemas/feature-view.ts";
import {
  type Growth,
  type Plan,
  type SourceSpec,
  stepsOf,
  topologyOf,
} from "../../schemas/plan.ts";
import { canBeStrand, strandOf, viewsOf, withoutViews } from "../../schemas/plan-strands.ts";
import { quoteName, quoteText } from "../../sinks/sql-text.ts";
import { sqlTime } from "../../sinks/sql-time.ts";
import { planTopic } from "../../topologies/dsl/compile/topics.ts";
import { growthPart, standingParts } from "../engine/standing-plan.ts";
import { utc } from "../offline/plumbing.ts";
import { offlineTables, offlineViews } from "../offline/tables.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { sourceDecoder } from "../schema-registry/source-codec.ts";
import type { RunningPlan } from "./running-plan.ts";
import type { Stack } from "./stack.ts";

/**
 * The plans as which a topology runs here: itself, or what stood before and a strand for each view
 * that is new since. What cannot be a strand is left in, for the comparison to refuse.
 */
export async function strandsOf(broker: Broker, plan: Plan): Promise<Plan[]> {
  const standing = await standingParts(broker, plan.name);
  if (standing.length === 0) return [plan];
  const known = new Set(standing.map(({ part }) => part));
  const grown = viewsOf(plan).filter(
    (view) => !known.has(`view ${view}`) && canBeStrand(plan, view),
  );
  if (grown.length === 0) return [plan];
  const strands: Plan[] = [];
  for (const view of grown) {
    const strand = strandOf(plan, view);
    const growth = await readGrowth(broker, strand.name);
    strands.push(Object.freeze({ ...strand, growth: growth ?? begun }));
  }
  const cut = new Set(
    strands.filter(({ growth }) => growth?.cutOver).flatMap((strand) => viewNames(strand)),
  );
  return [hiding(withoutViews(plan, new Set(grown)), cut), ...strands];
}

/** Name of the view with all columns of all feature views, and since when they are right. */
const catalog = "feature_catalog";

/** Tells analysts which columns a topology has. @param strands - the plans as which it runs. */
export async function migrateCatalog(
  { offline }: Pick<Stack, "offline">,
  topology: string,
  strands: readonly Plan[],
): Promise<void> {
  const columns = strands.flatMap((plan) =>
    stepsOf(plan, "view").flatMap((view) =>
      featureColumns(view).map(({ column }) => {
        const since = plan.growth?.completeSince[column] ?? null;
        const time = since === null ? "NULL" : sqlTime(since);
        const isFilled = plan.growth?.cutOver === false ? 0 : 1;
        const of = [quoteText(view.name), `toUInt32(${view.version})`, quoteText(column)];
        return `tuple(${[...of, `CAST(${time}, ${quoteText(instant)})`, isFilled].join(", ")})`;
      }),
    ),
  );
  if (columns.length === 0) return;
  const names = ["view", "version", "column", "complete_since", "filled"];
  const shown = names.map((name, index) => `each.${index + 1} AS ${quoteName(name)}`).join(", ");
  const select = `SELECT ${shown} FROM (SELECT arrayJoin([${columns.join(", ")}]) AS each)`;
  await offline.of(topology).migrate([], [{ name: catalog, select }]);
}

const instant = `Nullable(${utc})`;

const begun: Growth = { completeSince: {}, cutOver: false };

function viewNames(plan: Plan): string[] {
  return plan.stored.flatMap(({ table }) => (table === null ? [] : [table.view]));
}

/** A plan that shows analysts nothing under names that others have taken over. */
function hiding(plan: Plan, names: ReadonlySet<string>): Plan {
  const stored = plan.stored.map((each) =>
    each.table !== null && names.has(each.table.view)
      ? { ...each, table: { ...each.table, shown: [] } }
      : each,
  );
  return Object.freeze({ ...plan, stored });
}

/** Makes the tables of a plan, and the names that analysts know, once its rows are complete. */
export async function migrateOffline({ offline }: Pick<Stack, "offline">, plan: Plan) {
  const isShown = plan.growth === undefined || plan.growth.cutOver;
  await offline
    .of(topologyOf(plan))
    .migrate(offlineTables(plan), isShown ? offlineViews(plan) : []);
}

/**
 * Writes down, when a strand is begun, from which event time on each of its columns is right:
 * whatever the source still holds of its beginning then. Later starts keep to it.
 */
export async function beginStrand(stack: Pick<Stack, "broker" | "registry">, strand: Plan) {
  const { broker, registry } = stack;
  if (strand.growth === undefined || (await readGrowth(broker, strand.name)) !== null) return;
  await broker.createTopics(strand.topics.filter(({ role }) => role === "plan"));
  const [source] = strand.sources;
  const [view] = stepsOf(strand, "view");
  if (source === undefined || view === undefined)
    throw new RangeError(`${strand.name} is no strand`);
  const first = await firstKept(broker, registry, source);
  const completeSince = Object.fromEntries(
    featureColumns(view).map(({ column, window }) => [
      column,
      first === null ? null : first + source.latenessMs + window.lengthMs,
    ]),
  );
  await writeGrowth(broker, strand.name, { completeSince, cutOver: false });
}

/** Latest event time at which a partition begins that has lost its beginning; null: none has. */
async function firstKept(
  broker: Broker,
  registry: SchemaRegistry,
  source: SourceSpec,
): Promise<number | null> {
  const { topic, timeField } = source;
  const decoder = sourceDecoder(registry, source);
  const [{ partitions = 0 } = {}] = await broker.describeTopics([topic]);
  let latest: number | null = null;
  for (let partition = 0; partition < partitions; partition++) {
    const [earliest = 0] = await broker.listOffsets([{ topic, partition, at: "earliest" }]);
    if (earliest === 0) continue;
    search: for await (const page of committedPages(broker, topic, partition)) {
      for (const { value } of page) {
        if (value === null) continue;
        let decoded = decoder.decode(value, 0, value.length);
        if (decoded.kind === "need-schema") {
          await decoder.resolve(decoded.id);
          decoded = decoder.decode(value, 0, value.length);
        }
        if (decoded.kind !== "value") continue;
        latest = Math.max(latest ?? 0, Number(decoded.value[timeField]));
        break search;
      }
    }
  }
  return latest;
}

/**
 * Cuts over to strands that have come as far as what stood: one record in the topic of its plan,
 * then the name for analysts. Repeatable: a start that finds the record sets the name. Returns the
 * views that were cut over now.
 */
export async function cutOver(parts: readonly RunningPlan[], stack: Stack): Promise<string[]> {
  const done: string[] = [];
  for (const { plan, status } of parts) {
    const { growth } = plan;
    if (growth === undefined || growth.cutOver) continue;
    const trunk = parts.find((each) => each.plan.name === topologyOf(plan));
    const wanted = trunk?.status.taskProgress ?? Number.POSITIVE_INFINITY;
    if (!Number.isFinite(status.taskProgress) || status.taskProgress < wanted) continue;
    const known = (await readGrowth(stack.broker, plan.name)) ?? growth;
    if (known.cutOver) continue;
    await writeGrowth(stack.broker, plan.name, { ...known, cutOver: true });
    await migrateOffline(stack, { ...plan, growth: { ...known, cutOver: true } });
    done.push(...stepsOf(plan, "view").map(viewId));
  }
  return done;
}

async function readGrowth(broker: Broker, strand: string): Promise<Growth | null> {
  const topic = planTopic(strand);
  const topics = await broker.describeTopics();
  if (!topics.some(({ name }) => name === topic)) return null;
  let found: Growth | null = null;
  await readCommitted(broker, topic, 0, ({ buffer, keyStart, keyEnd, valueStart, valueEnd }) => {
    if (buffer.toString("utf8", keyStart, keyEnd) !== growthPart) return;
    found = JSON.parse(buffer.toString("utf8", valueStart, valueEnd)) as Growth;
  });
  return found;
}

async function writeGrowth(broker: Broker, strand: string, growth: Growth): Promise<void> {
  const batch = new RecordBatchBuilder();
  batch.append(Buffer.from(growthPart, "utf8"), Buffer.from(JSON.stringify(growth), "utf8"), 0);
  const producer = await broker.producer({ transactionalId: null });
  try {
    await producer.send([{ topic: planTopic(strand), partition: 0, batch: batch.build() }]);
  } finally {
    await producer.close();
  }
}
