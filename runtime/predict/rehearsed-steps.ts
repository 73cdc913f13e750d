import { ModelRegister } from "../../processors/scoring/model-register.ts";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { numberColumns, onlineName, valueLayout } from "../../schemas/feature-view.ts";
import { type Plan, type SourceSpec, topologyOf } from "../../schemas/plan.ts";
import { viewsOf } from "../../schemas/plan-facts.ts";
import type { FeatureRow } from "../../schemas/row.ts";
import { RowCodec } from "../../schemas/row-codec.ts";
import type { RowType, ScalarType } from "../../schemas/row-layout.ts";
import { onlineViewOf } from "../../sinks/online-namespace.ts";
import type { OnlineEntry, OnlineStore } from "../../sinks/store.ts";
import { PredictionLog } from "./prediction-log.ts";
import { stepOrigin } from "./step-origin.ts";
import { StepPredictor } from "./step-predictor.ts";
import type { StepWorld } from "./step-world.ts";

/** A step that can be rehearsed. */
export interface RehearsedStep {
  readonly predictor: StepPredictor;
  /** A record in JSON of the step's source; others for other indexes. */
  readonly record: (index: number) => object;
}

/**
 * A step beside one that answers: it reads the same online store, under keys that it makes up, and
 * asks the same models by the same code, and nothing of it stays. It has a copy of the register, so
 * that no model is put aside, a log that keeps nothing, and nobody is told.
 *
 * @param world - of the step that answers, with a micro-batcher of its own.
 * @throws {MillraceError} STEP_UNSERVED; what the broker says where the register is not known yet.
 */
export async function rehearsedStep(name: string, world: StepWorld): Promise<RehearsedStep> {
  const { plan, log } = world;
  const { source, operator } = stepOrigin(plan, name);
  const isRouted = operator.scoring.routing !== undefined;
  const register = copied(await world.champions.of(name), isRouted);
  const predictor = new StepPredictor(name, {
    ...world,
    online: withMadeRows(plan, world.online),
    champions: { of: async () => register },
    log: log === null ? null : new PredictionLog({ broker: noBroker, registry: noRegistry }),
    ...{ warn: () => {}, predicted: () => {}, shadowed: () => {} },
  });
  return { predictor, record: (index) => madeRecord(source, index) };
}

function copied(register: ModelRegister, isRouted: boolean): ModelRegister {
  const writer = new ByteWriter();
  register.snapshot(writer);
  const copy = new ModelRegister(isRouted);
  copy.restore(new ByteReader(writer.take()));
  return copy;
}

/** Something in every field, whatever its name. */
export function madeRecord(
  { layout, timeField }: Pick<SourceSpec, "layout" | "timeField">,
  index: number,
): object {
  const record: Record<string, unknown> = Object.create(null);
  for (const { name, type } of layout.fields) {
    const parts = name.split(".");
    let at = record;
    for (const part of parts.slice(0, -1)) {
      at[part] ??= Object.create(null);
      at = at[part] as Record<string, unknown>;
    }
    at[parts.at(-1) ?? name] = name === timeField ? Date.now() : madeValue(type, index);
  }
  return record;
}

function madeValue(type: RowType, index: number): unknown {
  return typeof type === "string" ? madeScalar(type, index) : [madeScalar(type.list, index)];
}

function madeScalar(type: ScalarType, index: number): unknown {
  if (type === "text") return `rehearsed ${index % 64}`;
  if (type === "boolean") return index % 2 === 0;
  if (type === "timestamp") return Date.now();
  return type === "integer" ? index : index + 0.5;
}

/** Of four reads one is answered as the store does, and three with rows that hold any numbers. */
function withMadeRows(plan: Plan, online: Pick<OnlineStore, "read">): Pick<OnlineStore, "read"> {
  const asOf = Date.now() - 1_000;
  const rows = new Map(
    viewsOf(plan).map((view): [string, FeatureRow] => {
      const values = Float64Array.from(numberColumns(view), (_, index) => index + 0.5);
      const row = { served: 0, asOf, seq: 0, validUntil: Number.NaN, values };
      const layout = valueLayout(view);
      const others = new ByteWriter();
      new RowCodec(layout).writeValues(others, []);
      const isTyped = layout.fields.length > 0;
      const name = onlineViewOf(topologyOf(plan), onlineName(view));
      return [name, isTyped ? { ...row, others: others.take() } : row];
    }),
  );
  let reads = 0;
  return {
    read: async (keys) => {
      const found = await online.read(keys);
      if (reads++ % 4 === 0) return found;
      const progress = Date.now();
      return keys.map(({ view }): OnlineEntry => ({ row: rows.get(view) ?? null, progress }));
    },
  };
}

const noRegistry = { register: async () => 1 };

/** Takes what is sent, and keeps nothing. */
const noBroker = {
  createTopics: async () => {},
  producer: async () => ({
    ...{ producerId: 0, epoch: 0, begin: () => {} },
    send: async (batches: readonly unknown[]) => {
      // As long as any answer from outside takes: to the next turn.
      await new Promise((resolve) => setImmediate(resolve));
      return batches.map(() => 0);
    },
    ...{ sendOffsets: async () => {}, commit: async () => {}, abort: async () => {} },
    close: async () => {},
  }),
};
