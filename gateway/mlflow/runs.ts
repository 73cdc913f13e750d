import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Run, TrackingState } from "../../runtime/tracking/fold/tracking-state.ts";
import { runArtifacts } from "../../runtime/tracking/fold/tracking-state.ts";
import type { Tracked } from "../../runtime/tracking/tracking.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { runStatuses } from "../../schemas/tracking-command.ts";
import type { Door } from "../door.ts";
import { invalid } from "../read-request.ts";
import { isInView, viewType } from "./experiments.ts";
import { meets, parseFilter, type ReadValue, type Searchable } from "./filter.ts";
import {
  mlflowDoor,
  named,
  optionalWhole,
  page,
  pairs,
  results,
  text,
  texts,
} from "./mlflow-door.ts";
import { ordered, pageOf, parseOrder } from "./order.ts";
import { metricJson, runInfoJson, runJson } from "./wire.ts";

const number = z.union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"])], {
  error: "it has to be a number",
});
const metric = z.object({
  key: named,
  value: number,
  timestamp: optionalWhole,
  step: optionalWhole,
  model_id: z.string().nullish(),
  dataset_name: z.string().nullish(),
  dataset_digest: z.string().nullish(),
});

/** Either of both names; clients send both. */
const ofRun = { run_id: text, run_uuid: text };
const only = { run_id: named };

function runIdOf({ run_id, run_uuid }: { run_id: string; run_uuid: string }): string {
  const id = run_id === "" ? run_uuid : run_id;
  return id === "" ? invalid("run_id", "it is missing") : id;
}

function metricOf(given: z.infer<typeof metric>) {
  const { key, value, timestamp = Date.now(), step = 0 } = given;
  return {
    ...{ key, value, timestamp, step },
    ...(given.model_id ? { modelId: given.model_id } : {}),
    ...(given.dataset_name ? { datasetName: given.dataset_name } : {}),
    ...(given.dataset_digest ? { datasetDigest: given.dataset_digest } : {}),
  };
}

/** Of one batch, as MLflow's own server has them. */
const batchMost = { metrics: 1_000, params: 100, tags: 100, all: 1_000 } as const;

const searchable: Searchable = {
  what: "runs",
  fields: {
    ...{ run_id: { name: "run_id", type: "text" }, run_name: { name: "run_name", type: "text" } },
    ...{ "run name": { name: "run_name", type: "text" } },
    ...{ status: { name: "status", type: "text" }, user_id: { name: "user_id", type: "text" } },
    ...{ artifact_uri: { name: "artifact_uri", type: "text" } },
    ...{ experiment_id: { name: "experiment_id", type: "text" } },
    ...{ start_time: { name: "start_time", type: "number" } },
    ...{ created: { name: "start_time", type: "number" } },
    ...{ end_time: { name: "end_time", type: "number" } },
  },
  entities: ["metric", "param", "tag", "dataset"],
};

const read: ReadValue<Run> = (run, entity, key) => {
  if (entity === "metric") return run.metrics.get(key)?.latest.value ?? null;
  if (entity === "param") return run.params.get(key) ?? null;
  if (entity === "tag") return run.tags.get(key) ?? null;
  if (entity === "dataset") {
    const { dataset = {} } = run.datasets[0] ?? {};
    return Object.hasOwn(dataset, key) ? (dataset[key] ?? null) : null;
  }
  const attributes: Readonly<Record<string, string | number | null>> = {
    ...{ run_id: run.id, run_name: run.name, status: run.status, user_id: run.user },
    ...{ artifact_uri: `mlflow-artifacts:/${runArtifacts(run)}`, experiment_id: run.experiment },
    ...{ start_time: run.startTime, end_time: run.endTime === 0 ? null : run.endTime },
  };
  return attributes[key] ?? null;
};

export function runDoors(tracking: Tracked): readonly Door[] {
  return [...lifeDoors(tracking), ...loggingDoors(tracking), ...lookingDoors(tracking)];
}

export function knownRun({ runs }: TrackingState, id: string): Run {
  const found = runs.get(id);
  if (found !== undefined) return found;
  throw new MillraceError("TRACKING_UNKNOWN", { what: "run with the id", name: id.slice(0, 200) });
}

function lifeDoors(tracking: Tracked): readonly Door[] {
  const changing = { method: "POST", reads: false } as const;
  return [
    mlflowDoor({
      ...{ ...changing, path: "runs/create", title: "Begin a run" },
      fields: {
        ...{ experiment_id: named, user_id: text, run_name: text },
        ...{ start_time: optionalWhole, tags: pairs },
      },
      answer: async (asked, { by }) => {
        const run = randomUUID().replaceAll("-", "");
        const tagged = asked.tags.find(({ key }) => key === "mlflow.runName")?.value ?? "";
        const given = asked.run_name === "" ? tagged : asked.run_name;
        const made = await tracking.write("run.create", by, {
          ...{ run, experiment: asked.experiment_id, user: asked.user_id },
          ...{ name: given === "" ? `run-${run.slice(0, 8)}` : given, tags: asked.tags },
          startTime: asked.start_time ?? Date.now(),
        });
        return { run: runJson(made as Run) };
      },
    }),
    mlflowDoor({
      ...{ ...changing, path: "runs/update", title: "Say how a run goes or ended" },
      fields: {
        ...{ ...ofRun, end_time: optionalWhole, run_name: text },
        status: z.union([z.enum(runStatuses), z.null(), z.undefined()]),
      },
      answer: async (asked, { by }) => {
        const { status, end_time: endTime, run_name: name } = asked;
        const changed = await tracking.write("run.update", by, {
          run: runIdOf(asked),
          ...(status ? { status } : {}),
          ...(endTime === undefined ? {} : { endTime }),
          ...(name === "" ? {} : { name }),
        });
        return { run_info: runInfoJson(changed as Run) };
      },
    }),
    ...(["delete", "restore"] as const).map((verb) =>
      mlflowDoor({
        ...{ ...changing, path: `runs/${verb}`, fields: only },
        title: verb === "delete" ? "Hide a run" : "Show a hidden run again",
        answer: async ({ run_id: run }, { by }) => {
          await tracking.write(`run.${verb}`, by, { run });
          return {};
        },
      }),
    ),
  ];
}

function loggingDoors(tracking: Tracked): readonly Door[] {
  const changing = { method: "POST", reads: false } as const;
  return [
    mlflowDoor({
      ...{ ...changing, path: "runs/log-metric", title: "Log a metric of a run" },
      fields: { ...ofRun, ...metric.shape },
      answer: async (asked, { by }) => {
        const logged = { run: runIdOf(asked), metrics: [metricOf(asked)], params: [], tags: [] };
        await tracking.write("run.log", by, logged);
        return {};
      },
    }),
    mlflowDoor({
      ...{ ...changing, path: "runs/log-parameter", title: "Log a parameter of a run" },
      fields: { ...ofRun, key: named, value: text },
      answer: async (asked, { by }) => {
        const { key, value } = asked;
        const logged = { run: runIdOf(asked), metrics: [], params: [{ key, value }], tags: [] };
        await tracking.write("run.log", by, logged);
        return {};
      },
    }),
    mlflowDoor({
      ...{ ...changing, path: "runs/set-tag", title: "Set a tag of a run" },
      fields: { ...ofRun, key: named, value: text },
      answer: async (asked, { by }) => {
        const { key, value } = asked;
        const logged = { run: runIdOf(asked), metrics: [], params: [], tags: [{ key, value }] };
        await tracking.write("run.log", by, logged);
        return {};
      },
    }),
    mlflowDoor({
      ...{ ...changing, path: "runs/delete-tag", title: "Remove a tag of a run" },
      fields: { ...only, key: named },
      answer: async ({ run_id: run, key }, { by }) => {
        await tracking.write("run.untag", by, { run, key });
        return {};
      },
    }),
    mlflowDoor({
      ...{
        ...changing,
        path: "runs/log-batch",
        title: "Log metrics, parameters and tags of a run",
      },
      about: "At most 1,000 metrics, 100 parameters and 100 tags, and 1,000 of all; all or none.",
      fields: {
        run_id: named,
        metrics: z
          .array(metric)
          .nullish()
          .transform((given) => given ?? []),
        ...{ params: pairs, tags: pairs },
      },
      answer: async ({ run_id: run, metrics, params, tags }, { by }) => {
        const sizes = { metrics: metrics.length, params: params.length, tags: tags.length };
        for (const what of ["metrics", "params", "tags"] as const) {
          if (sizes[what] > batchMost[what]) {
            invalid(`body.${what}`, `${sizes[what]} of them, more than ${batchMost[what]} a batch`);
          }
        }
        const all = metrics.length + params.length + tags.length;
        if (all > batchMost.all) invalid("body", `${all} entries, more than ${batchMost.all}`);
        const logged = { run, metrics: metrics.map(metricOf), params, tags };
        await tracking.write("run.log", by, logged);
        return {};
      },
    }),
    ...linkDoors(tracking),
  ];
}

/** The tag in which clients look for the models of a run. */
const historyTag = "mlflow.log-model.history";

/** The models that the tag has, which anybody may have written. */
function historyOf(run: Run): readonly unknown[] {
  try {
    const found: unknown = JSON.parse(run.tags.get(historyTag) ?? "[]");
    if (Array.isArray(found)) return found;
  } catch {
    // It is told below.
  }
  return invalid("run_id", `its tag ${historyTag} is no list of models as JSON`);
}

function linkDoors(tracking: Tracked): readonly Door[] {
  const changing = { method: "POST", reads: false } as const;
  const optional = z
    .string()
    .max(65_535)
    .nullish()
    .transform((given) => given ?? "");
  const dataset = z.object({
    ...{ name: named, digest: named, source_type: optional, source: optional },
    ...{ schema: optional, profile: optional },
  });
  const models = z
    .array(z.object({ model_id: named, step: optionalWhole }))
    .nullish()
    .transform((given) => given ?? []);
  return [
    mlflowDoor({
      ...{ ...changing, path: "runs/log-inputs", title: "Say which data and models a run took" },
      fields: {
        run_id: named,
        datasets: z
          .array(z.object({ tags: pairs, dataset }))
          .max(1_000)
          .nullish()
          .transform((given) => given ?? []),
        models,
      },
      answer: async ({ run_id: run, datasets, models: given }, { by }) => {
        const ids = given.map(({ model_id }) => model_id);
        await tracking.write("run.inputs", by, { run, datasets, models: ids });
        return {};
      },
    }),
    mlflowDoor({
      ...{
        ...changing,
        path: "runs/log-model",
        title: "Note a model in a run, as older clients do",
      },
      fields: { run_id: named, model_json: named },
      answer: async ({ run_id: run, model_json: model }, { by }) => {
        const found = knownRun(await tracking.state(), run);
        const before = historyOf(found);
        let value = "";
        try {
          value = JSON.stringify([...before, JSON.parse(model)]);
        } catch {
          invalid("body.model_json", "it is no JSON");
        }
        const tags = [{ key: historyTag, value }];
        await tracking.write("run.log", by, { run, metrics: [], params: [], tags });
        return {};
      },
    }),
    mlflowDoor({
      ...{ ...changing, path: "runs/outputs", title: "Say which models a run gave" },
      fields: { run_id: named, models },
      answer: async ({ run_id: run, models: given }, { by }) => {
        const all = given.map(({ model_id: modelId, step = 0 }) => ({ modelId, step }));
        await tracking.write("run.outputs", by, { run, models: all });
        return {};
      },
    }),
  ];
}

function lookingDoors(tracking: Tracked): readonly Door[] {
  return [
    mlflowDoor({
      ...{ method: "GET", path: "runs/get", reads: true, title: "A run by its id", fields: ofRun },
      answer: async (asked) => ({ run: runJson(knownRun(await tracking.state(), runIdOf(asked))) }),
    }),
    mlflowDoor({
      ...{ method: "POST", path: "runs/search", reads: true, title: "Runs that meet a filter" },
      fields: {
        ...{ experiment_ids: texts, run_view_type: viewType },
        ...{ max_results: results(1_000), ...page },
      },
      answer: async (asked) => {
        const conditions = parseFilter(asked.filter, searchable);
        const order = parseOrder([...asked.order_by, "start_time DESC", "run_id"], searchable);
        const within = new Set(asked.experiment_ids);
        const { runs } = await tracking.state();
        const all = [...runs.values()].filter(
          (run) =>
            within.has(run.experiment) &&
            isInView(run, asked.run_view_type) &&
            meets(run, conditions, read),
        );
        const { things, ...next } = pageOf(ordered(all, order, read), asked, 50_000);
        return { runs: things.map(runJson), ...next };
      },
    }),
    mlflowDoor({
      ...{ method: "GET", path: "metrics/get-history", reads: true },
      title: "All values of a metric of a run",
      fields: {
        ...{ ...ofRun, metric_key: named, page_token: text },
        max_results: results(25_000),
      },
      answer: async (asked) => {
        const run = knownRun(await tracking.state(), runIdOf(asked));
        const points = run.metrics.get(asked.metric_key)?.points ?? [];
        const { things, ...next } = pageOf(points, asked, 100_000);
        return { metrics: things.map((point) => metricJson(point, run.id)), ...next };
      },
    }),
    mlflowDoor({
      ...{ method: "GET", path: "metrics/get-history-bulk-interval", reads: true },
      title: "Values of a metric of several runs",
      fields: {
        ...{ run_ids: texts, metric_key: named, start_step: optionalWhole },
        ...{ end_step: optionalWhole, max_results: results(2_500) },
      },
      answer: async (asked) => {
        const state = await tracking.state();
        const { start_step: from = -Infinity, end_step: to = Infinity } = asked;
        const metrics = asked.run_ids.slice(0, 100).flatMap((id) => {
          const run = knownRun(state, id);
          const points = run.metrics.get(asked.metric_key)?.points ?? [];
          const within = points.filter(({ step }) => step >= from && step <= to);
          return sampled(within, asked.max_results).map((point) => metricJson(point, id));
        });
        return { metrics };
      },
    }),
  ];
}

/** So many of them at most, spread evenly, first and last among them. */
function sampled<T>(all: readonly T[], most: number): readonly T[] {
  if (all.length <= most) return all;
  const last = all.length - 1;
  const picked = Array.from({ length: most }, (_, i) => Math.round((i * last) / (most - 1 || 1)));
  return picked.map((index) => all[index] as T);
}
