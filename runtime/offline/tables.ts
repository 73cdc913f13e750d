import type { Plan } from "../../schemas/plan.ts";
import type { OfflineTable, OfflineView } from "../../sinks/store.ts";
import type { RowEncoder } from "../pump/offline-sink.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { FeatureRowEncoder, featureTable, featureView } from "./feature-tables.ts";
import { RecordEncoder } from "./record-table.ts";
import { recordTables } from "./record-tables.ts";

/** Tables that a plan fills: one a feature view in the offline store, and one a kind of record. */
export function offlineTables(plan: Plan): OfflineTable[] {
  return [
    ...offlineFeatureViews(plan).map(featureTable),
    ...recordTables(plan).map(({ table }) => table),
  ];
}

/** Views for analysts; of several versions of a feature view the name belongs to the newest. */
export function offlineViews(plan: Plan): OfflineView[] {
  const newest = new Map(
    [...offlineFeatureViews(plan)]
      .sort((a, b) => a.version - b.version)
      .map((view) => [view.name, view]),
  );
  return [...[...newest.values()].map(featureView), ...recordTables(plan).map(({ view }) => view)];
}

/** For each topic that has a table, what turns its records into rows. */
export function offlineEncoders(
  plan: Plan,
  registry: SchemaRegistry,
): { topic: string; encoder: RowEncoder }[] {
  const rows = plan.subtopologies.flatMap(({ outputs }) =>
    outputs.flatMap((output) => {
      if (output.kind !== "rows") return [];
      const view = offlineFeatureViews(plan).find(
        ({ name, version }) => `${name}@${version}` === output.view,
      );
      return view === undefined
        ? []
        : [{ topic: output.topic, encoder: new FeatureRowEncoder(view, output.topic) }];
    }),
  );
  const records = recordTables(plan).map((record) => ({
    topic: record.topic,
    encoder: new RecordEncoder(record, registry),
  }));
  return [...rows, ...records];
}

function offlineFeatureViews(plan: Plan) {
  return plan.views.filter((view) => view.stores.includes("offline"));
}
