import type { Broker } from "../../broker/broker.ts";
import { committedPages } from "../../broker/committed-records.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { featureColumns } from "../../schemas/feature-view.ts";
import type { Growth, Plan, SourceSpec } from "../../schemas/plan.ts";
import { viewsOf } from "../../schemas/plan-facts.ts";
import { planTopic } from "../../topologies/dsl/compile/topics.ts";
import { GroupProgress } from "../engine/group-progress.ts";
import { growthPart, planRecords } from "../engine/standing-plan.ts";
import type { RecordDecoder } from "../schema-registry/record-decoder.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { sourceDecoder } from "../schema-registry/source-codec.ts";
import type { Stack } from "./stack.ts";

/**
 * Finds, when a strand is begun, from which event time on each of its columns is right: whatever
 * the source still holds of its beginning then. It is written down with the strand's parts; later
 * starts keep to it.
 *
 * @param trunk - what stood before.
 * @param now - live mode: what the clock says; else null.
 * @param found - by an earlier look of this start. @default nothing
 * @returns the strand with what is known of it.
 */
export async function beginStrand(
  stack: Pick<Stack, "broker" | "registry">,
  strand: Plan,
  trunk: Plan,
  now: number | null,
  found: Growth | null = null,
): Promise<Plan> {
  const { broker, registry } = stack;
  const known = (await readGrowth(broker, strand.name)) ?? found;
  const [source] = strand.sources;
  const [view] = viewsOf(strand);
  if (source === undefined || view === undefined)
    throw new RangeError(`${strand.name} is no strand`);
  // One that was begun for other columns and never ran is begun again.
  if (known !== null && featureColumns(view).every(({ column }) => column in known.completeSince))
    return Object.freeze({ ...strand, growth: known });
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
  return Object.freeze({ ...strand, growth: { completeSince, cutOver: false } });
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
    for (const record of page) {
      const { value } = record;
      if (value === null) continue;
      let decoded = decoder.decode(value, 0, value.length, record);
      if (decoded.kind === "need-schema") {
        await decoder.resolve(decoded.id);
        decoded = decoder.decode(value, 0, value.length, record);
      }
      if (decoded.kind !== "value") continue;
      const time = decoded.value[timeField];
      if (typeof time !== "number" || !Number.isSafeInteger(time)) continue;
      // As the source judges it: 0 is what programs write where they have no time.
      if (time > 0 && time <= now) return time;
    }
  }
  return null;
}

export async function readGrowth(broker: Broker, strand: string): Promise<Growth | null> {
  return ((await planRecords(broker, strand)).get(growthPart) ?? null) as Growth | null;
}

export async function writeGrowth(broker: Broker, strand: string, growth: Growth): Promise<void> {
  const batch = new RecordBatchBuilder();
  batch.append(Buffer.from(growthPart, "utf8"), Buffer.from(JSON.stringify(growth), "utf8"), 0);
  const producer = await broker.producer({ transactionalId: null });
  try {
    await producer.send([{ topic: planTopic(strand), partition: 0, batch: batch.build() }]);
  } finally {
    await producer.close();
  }
}
