import {
  type FeatureOutput,
  type FeatureViewSpec,
  featureColumns,
} from "../schemas/feature-view.ts";
import { type Plan, topologyOf } from "../schemas/plan.ts";
import { viewsOf } from "../schemas/plan-facts.ts";

/** Files of a feature repository of Feast, by their names. */
export interface FeastRepository {
  readonly "feature_store.yaml": string;
  readonly "definitions.py": string;
}

/** As Feast calls what stands in a column; instants are UTC ms. */
const types: Readonly<Record<FeatureOutput, string>> = {
  ...{ count: "Int64", integer: "Int64", timestamp: "Int64" },
  ...{ number: "Float64", since: "Float64", boolean: "Bool", text: "String" },
};

/**
 * What Feast's own client needs to read the online features of topologies from a gateway: a
 * repository that declares the views, with the gateway as its remote online store. Of several
 * versions of a view it is the newest; a name that several topologies have is left out, for Feast
 * asks by name alone.
 *
 * @param gateway - URL of it, without a slash at its end.
 */
export function feastRepository(plans: readonly Plan[], gateway: string): FeastRepository {
  const all = plans.flatMap((plan) => newestOf(plan).map((view) => ({ view, plan })));
  const isAlone = (name: string) => all.filter(({ view }) => view.name === name).length === 1;
  const views = all.filter(({ view }) => isAlone(view.name));
  const twice = [...new Set(all.map(({ view }) => view.name))].filter((name) => !isAlone(name));
  const keys = [...new Set(views.flatMap(({ view }) => view.keyFields))].sort();
  const fields = views.flatMap(({ view }) => featureColumns(view));
  const used = new Set(fields.map(({ aggregate }) => types[aggregate.output]));
  return {
    "feature_store.yaml": [
      `project: ${projectOf(plans)}`,
      "provider: local",
      "registry: registry.db",
      "online_store:",
      "  type: remote",
      `  path: ${gateway}`,
      "entity_key_serialization_version: 3",
      "",
    ].join("\n"),
    "definitions.py": [
      '"""Feature views as the gateway serves them: made by `millrace features feast`, not by hand."""',
      "",
      "from datetime import timedelta",
      "",
      "from feast import Entity, FeatureView, Field, FileSource, ValueType",
      `from feast.types import ${[...new Set([...used, "String"])].sort().join(", ")}`,
      "",
      "# Feast wants a source for each view; what is online comes from the gateway alone.",
      'nowhere = FileSource(name="millrace", path="nowhere.parquet", timestamp_field="as_of")',
      "",
      ...keys.map(
        (name) =>
          `${entity(name)} = Entity(name=${py(name)}, join_keys=[${py(name)}], value_type=ValueType.STRING)`,
      ),
      ...twice.map(
        (name) => `# ${name}: several topologies have it, and Feast asks by name alone.`,
      ),
      ...views.flatMap(({ view, plan }) => ["", ...viewLines(view, plan)]),
      "",
    ].join("\n"),
  };
}

function newestOf(plan: Plan): FeatureViewSpec[] {
  const newest = new Map<string, FeatureViewSpec>();
  for (const view of viewsOf(plan)) {
    if (!view.stores.includes("online")) continue;
    const found = newest.get(view.name);
    if (found === undefined || found.version < view.version) newest.set(view.name, view);
  }
  return [...newest.values()];
}

function viewLines(view: FeatureViewSpec, plan: Plan): string[] {
  const { name, version, keyFields, ttlMs } = view;
  return [
    `${identifier(name)} = FeatureView(`,
    `    name=${py(name)},`,
    `    entities=[${keyFields.map(entity).join(", ")}],`,
    `    ttl=timedelta(milliseconds=${ttlMs}),`,
    "    schema=[",
    ...keyFields.map((field) => `        Field(name=${py(field)}, dtype=String),`),
    ...featureColumns(view).map(({ column, aggregate }) => {
      return `        Field(name=${py(column)}, dtype=${types[aggregate.output]}),`;
    }),
    "    ],",
    "    source=nowhere,",
    `    tags={"topology": ${py(topologyOf(plan))}, "version": "${version}"},`,
    ")",
  ];
}

/** Feast takes letters, digits and underscores. */
function projectOf(plans: readonly Plan[]): string {
  return identifier(plans.map(topologyOf).join("_"));
}

function entity(field: string): string {
  return `entity_${identifier(field)}`;
}

function identifier(name: string): string {
  return name.replace(/\W/g, "_");
}

/** A text of Python. */
function py(text: string): string {
  return JSON.stringify(text);
}
