import { z } from "zod";
import { nearest } from "../../schemas/nearest.ts";
import type { FeatureRead, JsonValue, ServedRow, ViewRows } from "../../serving/feature-rows.ts";
import { byName } from "../any-names.ts";
import { type Door, door } from "../door.ts";
import { invalid } from "../read-request.ts";
import type { Served } from "../served.ts";
import { instant, keyPart, lag, rowFacts, rowsMost, value } from "./feature-shapes.ts";

/** Views of a request. */
const viewsMost = 100;

const oneAnswer = z.object({
  topology: z.string(),
  view: z.string().describe("name@version."),
  key: z.record(z.string(), z.string()).describe("The entity, by key field."),
  ...rowFacts,
  features: z.record(z.string(), value).describe("By name; empty: MISSING."),
  incomplete: z
    .array(z.string())
    .describe("Features that are still being filled, or not yet right at that time."),
});

const manyAnswer = z.object({
  views: z.array(
    z.object({
      topology: z.string(),
      view: z.string().describe("name@version."),
      keyFields: z.array(z.string()),
      features: z.array(z.string()).describe("Names, in the order of the values."),
      incomplete: z.array(z.string()),
      rows: z
        .array(z.object({ key: z.array(z.string()), ...rowFacts, values: z.array(value) }))
        .describe("In the order of the keys that were asked for."),
    }),
  ),
});

const one = z.strictObject({
  at: instant
    .optional()
    .describe("Event time: UTC ms or ISO 8601. Left out: now, live; else how far the view is."),
  topology: z
    .string()
    .optional()
    .describe("Whose view, where several topologies have one of its name."),
  maxLagMs: lag.optional().describe("How far the view may lie behind with its row still FRESH."),
});

const many = z.strictObject({
  views: z
    .array(
      z.strictObject({
        view: z.string().describe("name or name@version."),
        topology: z.string().optional(),
        keys: z
          .array(z.union([z.array(keyPart), keyPart.transform((part) => [part])]))
          .min(1)
          .describe(
            "Entities: of each the values of the key fields in their order; of one field the value alone will do.",
          ),
        features: z.array(z.string()).optional().describe("Those alone, in this order."),
        defaults: byName(value)
          .optional()
          .describe("Values by feature that stand in for a row that is MISSING."),
      }),
    )
    .min(1)
    .max(viewsMost, `ask for at most ${viewsMost} views`),
  at: instant.nullish(),
  maxLagMs: lag.nullish(),
});

/** Features as they are served, of one entity or of many. */
export function featureDoors(served: Served): readonly Door[] {
  return [
    door({
      method: "GET",
      path: "/v1/features/:view/*",
      scope: "read",
      title: "Features of one entity",
      about: "The values of the key fields stand in the path in their order, URL-encoded.",
      parts: {
        view: "name or name@version",
        "*": "Values of the key fields in their order, each URL-encoded, parted by slashes.",
      },
      query: one,
      takes: "none",
      answers: { status: 200, schema: oneAnswer },
      errors: ["VIEW_UNKNOWN", "VIEW_AMBIGUOUS", "VIEW_KEY_INVALID", "LOOK_UNKNOWN"],
      handle: async ({ path: { view = "" }, rest: key, query }) => {
        const reads = [{ view, topology: query.topology ?? null, keys: [key] }];
        const [found] = await served.features(reads, query.at ?? null, query.maxLagMs ?? null);
        const row = found?.rows[0];
        if (found === undefined || row === undefined) throw new RangeError("a read has an answer");
        const { topology, view: id, keyFields, features } = found;
        const byName = features.map(({ name }, i) => [name, row.values?.[i] ?? null] as const);
        return {
          body: {
            topology,
            view: id,
            key: Object.fromEntries(keyFields.map((field, i) => [field, key[i] ?? ""])),
            ...factsOf(row, row.freshness),
            features: row.values === null ? {} : Object.fromEntries(byName),
            incomplete: incomplete(found, row.at),
          },
        };
      },
    }),
    door({
      method: "POST",
      path: "/v1/features",
      scope: "read",
      title: "Features of many entities",
      about: `Of several views at one event time, in one round trip to the online store; at most ${rowsMost} rows.`,
      takes: "value",
      body: many,
      answers: { status: 200, schema: manyAnswer },
      errors: ["VIEW_UNKNOWN", "VIEW_AMBIGUOUS", "VIEW_KEY_INVALID", "LOOK_UNKNOWN"],
      handle: async ({ body }) => {
        const rows = body.views.reduce((sum, { keys }) => sum + keys.length, 0);
        if (rows > rowsMost)
          invalid("body.views", `${rows} rows are asked for, at most ${rowsMost}`);
        const reads = body.views.map(
          ({ view, topology = null, keys }): FeatureRead => ({ view, topology, keys }),
        );
        const found = await served.features(reads, body.at ?? null, body.maxLagMs ?? null);
        return {
          body: {
            views: found.map((each, index) =>
              viewAnswer(each, body.views[index] as (typeof body.views)[number], index),
            ),
          },
        };
      },
    }),
  ];
}

interface Wanted {
  readonly keys: readonly (readonly string[])[];
  readonly features?: readonly string[] | undefined;
  readonly defaults?: Readonly<Record<string, JsonValue>> | undefined;
}

function viewAnswer(found: ViewRows, { keys, features, defaults }: Wanted, index: number) {
  const names = found.features.map(({ name }) => name);
  const where = `body.views[${index}]`;
  const indexOf = (name: string, place: string): number => {
    const at = names.indexOf(name);
    if (at >= 0) return at;
    return invalid(
      `${where}.${place}`,
      `${found.view} has no feature "${name.slice(0, 100)}"${nearest(name.slice(0, 100), names)}`,
    );
  };
  for (const name of Object.keys(defaults ?? {})) indexOf(name, "defaults");
  const wanted = features ?? names;
  const places = features?.map((name) => indexOf(name, "features"));
  const nothing = wanted.map(() => null);
  return {
    topology: found.topology,
    view: found.view,
    keyFields: found.keyFields,
    features: wanted,
    incomplete: incomplete(found, found.rows[0]?.at ?? null).filter((name) =>
      wanted.includes(name),
    ),
    rows: found.rows.map((row, at) => {
      const isDefault = row.values === null && defaults !== undefined;
      const standIn = (name: string) =>
        Object.hasOwn(defaults ?? {}, name) ? defaults?.[name] : null;
      const values = isDefault
        ? wanted.map(standIn)
        : (places?.map((place) => row.values?.[place] ?? null) ?? row.values ?? nothing);
      return { key: keys[at], ...factsOf(row, isDefault ? "DEFAULT" : row.freshness), values };
    }),
  };
}

function factsOf(row: ServedRow, status: z.infer<typeof rowFacts.status>) {
  const { at, asOf, validUntil, progress, source } = row;
  return {
    status,
    at,
    asOf,
    validUntil,
    ageMs: at === null || asOf === null ? null : at - asOf,
    lagMs: at === null || progress === null ? null : Math.max(0, at - progress),
    source,
  };
}

/** Features that are not right at an instant, as far as is known. */
function incomplete({ features }: ViewRows, at: number | null): string[] {
  const found = features.filter(({ completeSince, filled }) => {
    return !filled || (completeSince !== null && (at ?? 0) < completeSince);
  });
  return found.map(({ name }) => name);
}
