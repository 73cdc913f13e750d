import type { Broker } from "../../broker/broker.ts";
import { committedPages, readCommitted } from "../../broker/committed-records.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { featureColumns } from "../../schemas/feature-view.ts";
import {
  type Growth,
  type Plan,
  type SourceSpec,
  stepsOf,
  topologyOf,
} from "../../schemas/plan.ts";
import { type PlanChange, planChanges } from "../../schemas/plan-changes.ts";
import {
  canBeStrand,
  strandName,
  strandOf,
  viewsOf,
  withoutViews,
} from "../../schemas/plan-strands.ts";
import { quoteName, quoteText } from "../../schemas/sql-text.ts";
import { sqlTime } from "../../sinks/sql-time.ts";
import { planTopic } from "../../topologies/dsl/compile/topics.ts";
import { GroupProgress } from "../engine/group-progress.ts";
import { growthPart, standingParts } from "../engine/standing-plan.ts";
import { utc } from "../offline/plumbing.ts";
import { offlineTables, offlineViews } from "../offline/tables.ts";
import type { RecordDecoder } from "../schema-registry/record-decoder.ts";
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

/** Views that were added and run as strands, and that the plan does not have any more. */
export async function goneStrands(broker: Broker, plan: Plan): Promise<readonly PlanChange[]> {
  if ((await standingParts(broker, plan.name)).length === 0) return [];
  const known = new Set([
    ...viewsOf(plan).map((view) => planTopic(strandName(plan.name, view))),
    ...plan.topics.map(({ name }) => name),
  ]);
  const changes: PlanChange[] = [];
  for (const { name } of await broker.describeTopics()) {
    const strand = strandOfTopic(plan.name, name);
    if (strand === null || known.has(name)) continue;
    const parts = await standingParts(broker, strand);
    changes.push(
      ...planChanges(
        parts.filter(({ kind }) => kind === "view"),
        [],
      ),
    );
  }
  return changes;
}

/** The strand whose plan a topic has; null: it has none. */
function strandOfTopic(topology: string, topic: string): string | null {
  const strand = topic.slice(0, -planTopic("").length);
  if (!strand.startsWith(`${topology}.`) || topic !== planTopic(strand)) return null;
  return /\.v\d+$/.test(strand) ? strand : null;
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
 *
 * @param trunk - what stood before.
 * @param now - live mode: what the clock says; else null.
 * @returns the strand with what is known of it.
 */
export async function beginStrand(
  stack: Pick<Stack, "broker" | "registry">,
  strand: Plan,
  trunk: Plan,
  now: number | null,
): Promise<Plan> {
  const { broker, registry } = stack;
  const known = await readGrowth(broker, strand.name);
  if (known !== null) return Object.freeze({ ...strand, growth: known });
  await broker.createTopics(strand.topics.filter(({ role }) => role === "plan"));
  const [source] = strand.sources;
  const [view] = stepsOf(strand, "view");
  if (source === undefined || view === undefined)
    throw new RangeError(`${strand.name} is no strand`);
  const read = await new GroupProgress(trunk, broker).latestRead();
  const first = await firstKept(broker, registry, source, {
    lost: now ?? Math.max(0, read),
    now: now ?? Number.POSITIVE_INFINITY,
  });
  const completeSince = Object.fromEntries(
    featureColumns(view).map(({ column, window }) => [
      column,
      first === null ? null : first + source.latenessMs + window.lengthMs,
    ]),
  );
  const growth = { completeSince, cutOver: false };
  await writeGrowth(broker, strand.name, growth);
  return Object.freeze({ ...strand, growth });
}

/**
 * Latest event time at which a partition begins that has lost its beginning; null: none has.
 *
 * @param lost - taken for one of which no record is left: all that was there came before.
 * @param now - records beyond it say nothing: they are refused.
 */
async function firstKept(
  broker: Broker,
  registry: SchemaRegistry,
  source: SourceSpec,
  { lost, now }: { readonly lost: number; readonly now: number },
): Promise<number | null> {
  const { topic } = source;
  const decoder = sourceDecoder(registry, source);
  const [{ partitions = 0 } = {}] = await broker.describeTopics([topic]);
  let latest: number | null = null;
  for (let partition = 0; partition < partitions; partition++) {
    const [earliest = 0] = await broker.listOffsets([{ topic, partition, at: "earliest" }]);
    if (earliest === 0) continue;
    const first = await firstTime(broker, decoder, source, partition, now);
    latest = Math.max(latest ?? 0, first ?? lost);
  }
  return latest;
}

/** Event time of the first record of a partition that has one; null: none is left. */
async function firstTime(
  broker: Broker,
  decoder: RecordDecoder,
  { topic, timeField }: SourceSpec,
  partition: number,
  now: number,
): Promise<number | null> {
  for await (const page of committedPages(broker, topic, partition)) {
    for (const { value } of page) {
      if (value === null) continue;
      let decoded = decoder.decode(value, 0, value.length);
      if (decoded.kind === "need-schema") {
        await decoder.resolve(decoded.id);
        decoded = decoder.decode(value, 0, value.length);
      }
      if (decoded.kind !== "value") continue;
      const time = decoded.value[timeField];
      if (typeof time !== "number" || !Number.isSafeInteger(time)) continue;
      if (time >= 0 && time <= now) return time;
    }
  }
  return null;
}

/** Cuts over to strands, each once it has come as far as what stood. */
export class CutOvers {
  readonly #parts: readonly RunningPlan[];
  readonly #stack: Pick<Stack, "broker" | "offline">;
  readonly #left: Set<RunningPlan>;

  constructor(parts: readonly RunningPlan[], stack: Pick<Stack, "broker" | "offline">) {
    this.#parts = parts;
    this.#stack = stack;
    this.#left = new Set(parts.filter(({ plan }) => plan.growth?.cutOver === false));
  }

  /** Whether all have been cut over. */
  get areDone(): boolean {
    return this.#left.size === 0;
  }

  /**
   * Cuts over to those that have caught up: one record in the topic of a strand's plan, then the
   * name for analysts. What fails is done again by the next look, or the next start.
   *
   * @param onDone - told the plan of each that was cut over.
   */
  async look(onDone: (plan: Plan) => void): Promise<void> {
    for (const part of this.#left) {
      const { plan, status } = part;
      const trunk = this.#parts.find((each) => each.plan.name === topologyOf(plan));
      const wanted = trunk?.status.taskProgress ?? Number.POSITIVE_INFINITY;
      if (!Number.isFinite(status.taskProgress) || status.taskProgress < wanted) continue;
      const { broker } = this.#stack;
      const known = (await readGrowth(broker, plan.name)) ?? plan.growth ?? begun;
      const growth = { ...known, cutOver: true };
      if (!known.cutOver) await writeGrowth(broker, plan.name, growth);
      const done = Object.freeze({ ...plan, growth });
      await migrateOffline(this.#stack, done);
      this.#left.delete(part);
      onDone(done);
    }
  }
}

async function readGrowth(broker: Broker, strand: string): Promise<Growth | null> {
  const topic = planTopic(strand);
  if ((await broker.describeTopics([topic])).length === 0) return null;
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
