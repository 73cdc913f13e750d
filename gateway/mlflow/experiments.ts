import { z } from "zod";
import type { Experiment } from "../../runtime/tracking/fold/tracking-state.ts";
import type { Tracked } from "../../runtime/tracking/tracking.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Door } from "../door.ts";
import { meets, parseFilter, type ReadValue, type Searchable } from "./filter.ts";
import { mlflowDoor, named, page, pairs, results, text } from "./mlflow-door.ts";
import { ordered, pageOf, parseOrder } from "./order.ts";
import { experimentJson } from "./wire.ts";

/** Which of deleted and not deleted things are asked for. */
export const viewTypes = ["ACTIVE_ONLY", "DELETED_ONLY", "ALL"] as const;
export const viewType = z
  .enum(viewTypes)
  .nullish()
  .transform((view) => view ?? "ACTIVE_ONLY");

export function isInView(
  { stage }: { readonly stage: string },
  view: (typeof viewTypes)[number],
): boolean {
  return view === "ALL" || (view === "ACTIVE_ONLY") === (stage === "active");
}

const searchable: Searchable = {
  what: "experiments",
  fields: {
    name: { name: "name", type: "text" },
    experiment_id: { name: "experiment_id", type: "text" },
    creation_time: { name: "creation_time", type: "number" },
    last_update_time: { name: "last_update_time", type: "number" },
  },
  entities: ["tag"],
};

const read: ReadValue<Experiment> = (experiment, entity, key) => {
  if (entity === "tag") return experiment.tags.get(key) ?? null;
  if (key === "name") return experiment.name;
  if (key === "experiment_id") return experiment.id;
  return key === "creation_time" ? experiment.createdAt : experiment.updatedAt;
};

const search = { max_results: results(1_000), ...page, view_type: viewType };

export function experimentDoors(tracking: Tracked): readonly Door[] {
  return [...lookingDoors(tracking), ...changingDoors(tracking)];
}

function lookingDoors(tracking: Tracked): readonly Door[] {
  const found = async (asked: z.infer<z.ZodObject<typeof search>>) => {
    const conditions = parseFilter(asked.filter, searchable);
    const order = parseOrder(
      asked.order_by.length > 0 ? asked.order_by : ["creation_time DESC"],
      searchable,
    );
    const { experiments } = await tracking.state();
    const all = [...experiments.values()].filter(
      (each) => isInView(each, asked.view_type) && meets(each, conditions, read),
    );
    const { things, ...next } = pageOf(ordered(all, order, read), asked, 50_000);
    return { experiments: things.map(experimentJson), ...next };
  };
  return [
    mlflowDoor({
      ...{ method: "GET", path: "experiments/get", reads: true, title: "An experiment by its id" },
      fields: { experiment_id: named },
      answer: async ({ experiment_id: id }) => {
        const { experiments } = await tracking.state();
        return { experiment: experimentJson(experiments.get(id) ?? unknownOne(id)) };
      },
    }),
    mlflowDoor({
      ...{ method: "GET", path: "experiments/get-by-name", reads: true },
      ...{ title: "An experiment by its name", fields: { experiment_name: named } },
      answer: async ({ experiment_name: name }) => {
        const { experimentsByName } = await tracking.state();
        return { experiment: experimentJson(experimentsByName.get(name) ?? unknownOne(name)) };
      },
    }),
    ...(["GET", "POST"] as const).map((method) =>
      mlflowDoor({
        ...{
          method,
          path: "experiments/search",
          reads: true,
          title: "Experiments that meet a filter",
        },
        ...{ fields: search, answer: found },
      }),
    ),
  ];
}

function changingDoors(tracking: Tracked): readonly Door[] {
  const changing = { method: "POST", reads: false } as const;
  return [
    mlflowDoor({
      ...{ ...changing, path: "experiments/create", title: "Make an experiment" },
      fields: { name: named, artifact_location: text, tags: pairs },
      answer: async ({ name, artifact_location: location, tags }, { by }) => {
        const made = await tracking.write("experiment.create", by, { name, location, tags });
        return { experiment_id: (made as Experiment).id };
      },
    }),
    mlflowDoor({
      ...{ ...changing, path: "experiments/update", title: "Give an experiment another name" },
      fields: { experiment_id: named, new_name: named },
      answer: async ({ experiment_id: experiment, new_name: name }, { by }) => {
        await tracking.write("experiment.rename", by, { experiment, name });
        return {};
      },
    }),
    ...(["delete", "restore"] as const).map((verb) =>
      mlflowDoor({
        ...{ ...changing, path: `experiments/${verb}` },
        title:
          verb === "delete" ? "Hide an experiment and its runs" : "Show a hidden experiment again",
        fields: { experiment_id: named },
        answer: async ({ experiment_id: experiment }, { by }) => {
          await tracking.write(`experiment.${verb}`, by, { experiment });
          return {};
        },
      }),
    ),
    mlflowDoor({
      ...{
        ...changing,
        path: "experiments/set-experiment-tag",
        title: "Set a tag of an experiment",
      },
      fields: { experiment_id: named, key: named, value: text },
      answer: async ({ experiment_id: experiment, key, value }, { by }) => {
        await tracking.write("experiment.tag", by, { experiment, key, value });
        return {};
      },
    }),
    mlflowDoor({
      ...{ ...changing, path: "experiments/delete-experiment-tag" },
      ...{ title: "Remove a tag of an experiment", fields: { experiment_id: named, key: named } },
      answer: async ({ experiment_id: experiment, key }, { by }) => {
        await tracking.write("experiment.tag", by, { experiment, key, value: null });
        return {};
      },
    }),
  ];
}

function unknownOne(name: string): never {
  throw new MillraceError("TRACKING_UNKNOWN", { what: "experiment", name: name.slice(0, 200) });
}
