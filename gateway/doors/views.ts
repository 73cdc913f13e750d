import { z } from "zod";
import { featureColumns, viewId } from "../../schemas/feature-view.ts";
import { servedColumns } from "../../schemas/plan-names.ts";
import { type Door, door } from "../door.ts";
import type { Served } from "../served.ts";

const answer = z.object({
  views: z.array(
    z.object({
      topology: z.string(),
      view: z.string().describe("name@version."),
      keyFields: z.array(z.string()).describe("In the order of a key's values."),
      source: z.string().describe("Stream whose records update it."),
      ttlMs: z.number().describe("Event time after which a row is no longer served."),
      stores: z.array(z.enum(["online", "offline"])),
      features: z.array(
        z.object({
          name: z.string(),
          type: z
            .string()
            .describe("count, number, since (ms), text, integer, boolean, timestamp."),
          aggregate: z.string(),
          window: z.string(),
          completeSince: z
            .number()
            .nullable()
            .describe("Event time from which on it is right, UTC ms; null: from the beginning."),
          filled: z.boolean().describe("False: what came before it was added is still being read."),
        }),
      ),
    }),
  ),
});

/** What there is to read. */
export function viewDoors({ plans }: Served): readonly Door[] {
  return [
    door({
      method: "GET",
      path: "/v1/views",
      scope: "read",
      title: "The feature views",
      about: "All versions, with their keys and features.",
      takes: "none",
      answers: { status: 200, schema: answer },
      errors: [],
      handle: () => {
        const views = new Map<string, z.infer<typeof answer>["views"][number]>();
        for (const { topology, view, column, completeSince, filled } of servedColumns(plans)) {
          const id = `${topology}/${viewId(view)}`;
          const found = views.get(id) ?? {
            ...{ topology, view: viewId(view), keyFields: [...view.keyFields] },
            ...{ source: view.source, ttlMs: view.ttlMs, stores: [...view.stores], features: [] },
          };
          views.set(id, found);
          const { aggregate, window } = featureColumns(view).find(
            (each) => each.column === column,
          ) as ReturnType<typeof featureColumns>[number];
          found.features.push({
            ...{ name: column, type: aggregate.output, aggregate: aggregate.kind },
            ...{ window: window.label, completeSince, filled },
          });
        }
        return { body: { views: [...views.values()] } };
      },
    }),
  ];
}
