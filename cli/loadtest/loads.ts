import type { EventIngest } from "../../runtime/ingest/event-ingest.ts";
import { type FeatureViewSpec, viewId } from "../../schemas/feature-view.ts";
import type { SourceSpec } from "../../schemas/plan.ts";
import { askGateway, type GatewayAccess, refusalOf } from "./gateway-requests.ts";
import { type LoadIds, type Sample, stamped } from "./samples.ts";
import type { IdField } from "./targets.ts";

/** What a load sends, and what it has seen so far. */
export interface Load {
  /** The request of a number, from 0 on; rejects where its answer is none, or is wrong. */
  readonly send: (index: number) => Promise<void>;
  /** Ids that the answers say are taken. */
  readonly taken: () => number;
  /** Answers of a kind, by words for people. */
  readonly kinds: ReadonlyMap<string, number>;
}

/** Records that are sent in turn, each with the time and an id of its own. */
export interface Records {
  readonly samples: readonly Sample[];
  readonly source: SourceSpec;
  readonly id: IdField | null;
  readonly ids: LoadIds;
}

/** So many records, from a number on; a record has the id of its number. */
function recordsFrom({ samples, source, id, ids }: Records, first: number, count: number) {
  return Array.from({ length: count }, (_, nth) => {
    const index = first + nth;
    const sample = samples[index % samples.length] as Sample;
    const own = id === null ? null : { field: id.field, value: ids.of(index) };
    return stamped(sample, source, own, Date.now());
  });
}

/** Predictions, asked of a gateway. */
export function predictLoad(
  gateway: GatewayAccess,
  step: string,
  rows: number,
  records: Records,
): Load {
  let taken = 0;
  const kinds = new Map<string, number>();
  const path = `/v1/predict/${encodeURIComponent(step)}`;
  return {
    ...{ taken: () => taken, kinds },
    send: async (index) => {
      const first = index * rows;
      const asked = recordsFrom(records, first, rows);
      const answer = await askGateway(gateway, path, { records: asked });
      const predictions = answer.body["predictions"];
      if (!Array.isArray(predictions)) throw new Error(refusalOf(answer));
      if (predictions.length !== rows) throw new Error(`${predictions.length} answers to ${rows}`);
      let wrong: string | null = null;
      for (const [nth, each] of predictions.entries()) {
        const { code, reason, id, probability, version, fallbackReason } = each;
        if (code === "RECORD_EXCLUDED") {
          count(kinds, "left out by the step");
          continue;
        }
        if (code !== undefined) {
          wrong ??= `${code}: ${reason}`;
          continue;
        }
        taken++;
        count(kinds, version === null ? `the fallback (${fallbackReason})` : String(version));
        const isOwn = records.id === null || String(id) === String(records.ids.of(first + nth));
        if (!isOwn) wrong ??= "an answer of another record";
        if (!(probability >= 0 && probability <= 1)) wrong ??= `${probability} is no probability`;
      }
      if (wrong !== null) throw new Error(wrong);
    },
  };
}

/** Features of entities, read from a gateway: those that the samples have the keys of. */
export function featuresLoad(
  gateway: GatewayAccess,
  view: FeatureViewSpec,
  rows: number,
  samples: readonly Sample[],
): Load {
  const kinds = new Map<string, number>();
  const keys = samples.map((sample) => view.keyFields.map((field) => keyText(sample, field)));
  const id = viewId(view);
  const one = `/v1/features/${encodeURIComponent(id)}`;
  return {
    ...{ taken: () => 0, kinds },
    send: async (index) => {
      const asked = Array.from(
        { length: rows },
        (_, nth) => keys[(index * rows + nth) % keys.length] as string[],
      );
      const path = `${one}/${asked[0]?.map(encodeURIComponent).join("/")}`;
      const answer =
        rows === 1
          ? await askGateway(gateway, path)
          : await askGateway(gateway, "/v1/features", { views: [{ view: id, keys: asked }] });
      if (answer.status !== 200) throw new Error(refusalOf(answer));
      const [{ rows: found }] =
        rows === 1 ? [{ rows: [answer.body] }] : (answer.body["views"] as [{ rows: unknown[] }]);
      const told = found as { readonly status: string; readonly key: object }[];
      for (const { status } of told) count(kinds, status);
      const got = told.map(({ key }) => Object.values(key).map(String));
      if (JSON.stringify(got) !== JSON.stringify(asked)) throw new Error("rows of other entities");
    },
  };
}

/** Events, each request's behind those of the source before it. */
export type PutEvents = (topic: string, events: readonly Sample[]) => Promise<void>;

/** Events by `POST /v1/events`. */
export function overHttp(gateway: GatewayAccess): PutEvents {
  return async (topic, events) => {
    const path = `/v1/events/${encodeURIComponent(topic)}`;
    const answer = await askGateway(gateway, path, events);
    if (answer.status !== 202) throw new Error(refusalOf(answer));
  };
}

/** Events to Kafka, as a producer of ours writes them. */
export function intoKafka(ingest: EventIngest): PutEvents {
  return async (topic, events) => {
    for (const outcome of await ingest.put(topic, events)) {
      if (outcome.kind === "refused") throw new Error(outcome.reason);
    }
  };
}

/** The events of one source, and with each those that label it or come with it. */
export function eventsLoad(put: PutEvents, rows: number, all: readonly Records[]): Load {
  let taken = 0;
  return {
    ...{ taken: () => taken, kinds: new Map() },
    send: async (index) => {
      for (const [nth, records] of all.entries()) {
        await put(records.source.topic, recordsFrom(records, index * rows, rows));
        if (nth === 0) taken += rows;
      }
    },
  };
}

function count(kinds: Map<string, number>, kind: string): void {
  kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
}

/** A key field of a sample, as a path has it. */
export function keyText(sample: Sample, field: string): string {
  if (Object.hasOwn(sample, field)) return String(sample[field]);
  let value: unknown = sample;
  for (const name of field.split(".")) value = (value as Sample | undefined)?.[name];
  return value === undefined || value === null ? "" : String(value);
}
