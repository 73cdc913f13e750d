/** Labelled predictions of a plan with a training, as they stand in the offline store. */
import { join } from "node:path";
import { loopPlan } from "../../../processors/loop-fixture.ts";
import { seededRandom } from "../../../processors/train/seeded-random-fixture.ts";
import { ByteWriter } from "../../../schemas/bytes.ts";
import { stepsOf } from "../../../schemas/plan.ts";
import type { TrainingSpec } from "../../../schemas/steps/training.ts";
import { type ChdbStore, openChdb } from "../../../sinks/chdb/chdb.ts";
import type { OfflineColumn, OfflineTable } from "../../../sinks/store.ts";

export const plan = loopPlan();
const [scoring] = stepsOf(plan, "scoring");
export const features = scoring?.features ?? [];
export const training = stepsOf(plan, "training")[0] as TrainingSpec;
const time = "DateTime64(3, 'UTC')";

/** Both stand in the offline store under the names of the analysts' views. */
const predictions: OfflineTable = {
  name: "predictions",
  columns: [
    { name: "flight_id", type: "Int64" },
    { name: "known_at", type: time },
    ...features.map((name): OfflineColumn => ({ name, type: "Nullable(Float64)" })),
  ],
  orderBy: ["flight_id", "known_at"],
};
const outcomes: OfflineTable = {
  name: "outcomes",
  columns: [
    { name: "flight_id", type: "Int64" },
    { name: "predicted_at", type: time },
    { name: "known_at", type: time },
    { name: "labelled", type: "UInt8" },
    { name: "label", type: "Nullable(UInt8)" },
  ],
  orderBy: ["flight_id", "predicted_at"],
};

/** Outcomes are known one a millisecond from here on. */
export const rows = 4_000;
export const firstKnown = 1_000_000;
export const cutoff = firstKnown + rows;
/** Of the steps with other names. */
export const otherRows = 500;

/** A store below the directory with {@link rows} of the plan's steps, and some of other names. */
export async function openTrained(directory: string): Promise<ChdbStore> {
  const spoolDirectory = join(directory, "spool");
  const store = await openChdb({ directory: join(directory, "chdb"), spoolDirectory });
  const scores = { ...predictions, name: "scores" };
  const disputes = { ...outcomes, name: "disputes" };
  await store.migrate([predictions, outcomes, scores, disputes], []);
  await fill(store, predictions, outcomes, rows);
  await fill(store, scores, disputes, otherRows);
  return store;
}

async function fill(
  store: ChdbStore,
  predicted: OfflineTable,
  resolved: OfflineTable,
  n: number,
): Promise<void> {
  const made = madeUp(n);
  const parts = [
    { table: predicted, rowBinary: made.predicted },
    { table: resolved, rowBinary: made.resolved },
  ];
  for (const part of parts) await store.insert({ ...part, rows: n, token: part.table.name });
}

/** The first feature decides the label and is missing for every tenth flight; the rest is noise. */
function madeUp(n: number) {
  const random = seededRandom("flights");
  const predicted = new ByteWriter();
  const resolved = new ByteWriter();
  const int64 = (writer: ByteWriter, value: number) => {
    const at = writer.reserve(8);
    writer.buffer.writeBigInt64LE(BigInt(value), at);
  };
  for (let i = 0; i < n; i++) {
    const signal = random(1_000) / 500 - 1;
    const label = random(1_000) / 1_000 < 1 / (1 + Math.exp(-4 * signal)) ? 1 : 0;
    int64(predicted, i);
    int64(predicted, firstKnown + i - 10);
    for (const [index] of features.entries()) {
      const missing = index === 0 && i % 10 === 0;
      predicted.u8(missing ? 1 : 0);
      if (!missing) predicted.f64(index === 0 ? signal : random(100));
    }
    int64(resolved, i);
    int64(resolved, firstKnown + i - 10);
    int64(resolved, firstKnown + i);
    const labelled = i % 50 !== 0;
    resolved.u8(labelled ? 1 : 0);
    resolved.u8(labelled ? 0 : 1);
    if (labelled) resolved.u8(label);
  }
  return { predicted: predicted.take(), resolved: resolved.take() };
}
