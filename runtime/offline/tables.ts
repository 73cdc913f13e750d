import type { Plan, StoredTopic, TableSpec } from "../../schemas/plan.ts";
import type { OfflineTable, OfflineView } from "../../sinks/store.ts";
import type { RowEncoder } from "../pump/offline-sink.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { offlineTable, offlineView } from "./offline-table.ts";
import { RecordEncoder } from "./record-encoder.ts";
import { FeatureRowEncoder } from "./row-encoder.ts";
import { servedOutcomeViews } from "./served-outcomes.ts";

/** Tables that a plan fills: one a topic in the offline store. */
export function offlineTables(plan: Plan): OfflineTable[] {
  return tables(plan).map(offlineTable);
}

/**
 * Views for analysts; of several versions of a feature view the name belongs to the newest. Those
 * over other views come last.
 */
export function offlineViews(plan: Plan): OfflineView[] {
  const newest = new Map(
    tables(plan)
      .filter(({ shown }) => shown.length > 0)
      .sort((a, b) => a.version - b.version)
      .map((table) => [table.view, table]),
  );
  return [...[...newest.values()].map(offlineView), ...servedOutcomeViews(plan)];
}

/** For each topic that has a table, what turns its records into rows. */
export function offlineEncoders(
  plan: Plan,
  registry: SchemaRegistry,
): { topic: string; encoder: RowEncoder }[] {
  return plan.stored.flatMap(({ topic, values, table }) =>
    table === null ? [] : [{ topic, encoder: encoderOf(topic, values, table, registry) }],
  );
}

function encoderOf(
  topic: string,
  values: StoredTopic["values"],
  table: TableSpec,
  registry: SchemaRegistry,
): RowEncoder {
  return values.kind === "rows"
    ? new FeatureRowEncoder(topic, values.keyFields, table, values.others)
    : new RecordEncoder(topic, values.schema, table, registry);
}

function tables({ stored }: Plan): TableSpec[] {
  return stored.flatMap(({ table }) => (table === null ? [] : [table]));
}
