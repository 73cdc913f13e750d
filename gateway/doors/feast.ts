import { z } from "zod";
import { nearest } from "../../schemas/nearest.ts";
import type { FeatureRead, JsonValue, ServedRow, ViewRows } from "../../serving/feature-rows.ts";
import { findView } from "../../serving/served-view.ts";
import { byName } from "../any-names.ts";
import { type Door, door } from "../door.ts";
import { invalid } from "../read-request.ts";
import type { Served } from "../served.ts";
import { keyPart, rowsMost, value } from "./feature-shapes.ts";

const body = z.object({
  entities: byName(z.array(keyPart)).describe("By key field its values, one for each entity."),
  features: z
    .array(z.string().regex(/^[^:]+:[^:]+$/, "write view:feature"))
    .min(1)
    .describe("view:feature; the view may name its version, view@1:feature."),
  full_feature_names: z.boolean().optional().describe("Names view__feature in the answer."),
  include_feature_view_version_metadata: z.boolean().optional().describe("Passed over."),
});

const statuses = z.enum(["PRESENT", "NULL_VALUE", "NOT_FOUND"]);

const answers = z.object({
  metadata: z.object({ feature_names: z.array(z.string()) }),
  results: z
    .array(
      z.object({
        values: z.array(value),
        statuses: z.array(statuses),
        event_timestamps: z.array(z.string()),
      }),
    )
    .describe("One for each name, in their order: the entities first."),
  status: z.boolean(),
});

/** A column of the answer: a name and a value for each entity. */
interface Column {
  readonly name: string;
  readonly values: readonly JsonValue[];
  readonly statuses: readonly z.infer<typeof statuses>[];
  readonly event_timestamps: readonly string[];
}

interface Wanted {
  readonly view: string;
  readonly feature: string;
}

/** The request of Feast's feature server: its clients read our features. */
export function feastDoor(served: Served): Door {
  return door({
    method: "POST",
    path: "/get-online-features",
    scope: "read",
    title: "Features, as Feast's feature server gives them",
    about:
      "Column by column. A row that is STALE is PRESENT here, one that is MISSING is NOT_FOUND; event timestamps say since when the row is in force. Feature services are not known.",
    takes: "value",
    body,
    answers: { status: 200, schema: answers },
    errors: ["VIEW_UNKNOWN", "VIEW_AMBIGUOUS"],
    handle: async ({ body: { entities, features, full_feature_names: isFull = false } }) => {
      const wanted = features.map((text): Wanted => {
        const [view = "", feature = ""] = text.split(":");
        return { view, feature };
      });
      const count = countOf(entities);
      const views = [...new Set(wanted.map(({ view }) => view))];
      if (count * views.length > rowsMost) {
        const asked = `${count * views.length} rows are asked for`;
        invalid("body.entities", `${asked}, at most ${rowsMost}`);
      }
      const given = new Map(Object.entries(entities));
      const reads = views.map((view): FeatureRead => {
        const { keyFields } = findView(served.plans, { view, topology: null }).view;
        const parts = keyFields.map((field) => given.get(field) ?? missingField(view, field));
        const keys = Array.from({ length: count }, (_, i) => parts.map((all) => all[i] ?? ""));
        return { view, topology: null, keys };
      });
      const found = await served.features(reads, null, null);
      const byView = new Map(views.map((view, index) => [view, found[index] as ViewRows]));
      const columns = [
        ...Object.entries(entities).map(([name, all]) => entityColumn(name, all)),
        ...wanted.map((each, index) => {
          const rows = byView.get(each.view) as ViewRows;
          return featureColumn(each, rows, isFull, `body.features[${index}]`);
        }),
      ];
      refuseTwice(columns);
      return {
        body: {
          metadata: { feature_names: columns.map(({ name }) => name) },
          results: columns.map(({ name: _, ...column }) => column),
          status: true,
        },
      };
    },
  });
}

function countOf(entities: Readonly<Record<string, readonly string[]>>): number {
  const counts = Object.values(entities).map(({ length }) => length);
  const [count = 0] = counts;
  if (count === 0) invalid("body.entities", "name a key field with the values of its entities");
  if (counts.some((each) => each !== count)) {
    invalid("body.entities", "each key field has to have as many values as the others");
  }
  return count;
}

function missingField(view: string, field: string): never {
  return invalid("body.entities", `the key of ${view} has the field ${field}: name it`);
}

const epoch = "1970-01-01T00:00:00Z";

function entityColumn(name: string, values: readonly string[]): Column {
  return {
    name,
    values,
    statuses: values.map(() => "PRESENT" as const),
    event_timestamps: values.map(() => epoch),
  };
}

function featureColumn(
  { view, feature }: Wanted,
  { features, rows }: ViewRows,
  isFull: boolean,
  where: string,
): Column {
  const names = features.map(({ name }) => name);
  const place = names.indexOf(feature);
  if (place < 0) {
    const shown = JSON.stringify(feature.slice(0, 100));
    invalid(where, `${view} has no feature ${shown}${nearest(feature.slice(0, 100), names)}`);
  }
  const [plain = view] = view.split("@");
  const valueIn = (row: ServedRow) => row.values?.[place] ?? null;
  return {
    name: isFull ? `${plain}__${feature}` : feature,
    values: rows.map(valueIn),
    statuses: rows.map((row) => {
      if (row.values === null) return "NOT_FOUND";
      return valueIn(row) === null ? "NULL_VALUE" : "PRESENT";
    }),
    event_timestamps: rows.map(({ asOf }) => {
      return asOf === null ? epoch : new Date(asOf).toISOString();
    }),
  };
}

function refuseTwice(columns: readonly Column[]): void {
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice === undefined) return;
  invalid("body.features", `"${twice}" is there twice: ask with full_feature_names`);
}
