/** Outcomes that are negative where no label came: which of them a training takes. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { RetrainRequest } from "../../../schemas/payload.ts";
import type { Plan } from "../../../schemas/plan.ts";
import { type ChdbStore, openChdb } from "../../../sinks/chdb/chdb.ts";
import { openArtifactStore } from "./artifacts.ts";
import { features, firstKnown, plan, training } from "./trained-tables-fixture.ts";
import { createTrainer } from "./trainer.ts";

const rows = 3_000;
const withinMs = 1_000;
let directory: string;
let store: ChdbStore;

/**
 * One prediction a millisecond, its first feature the time itself. Every tenth is labelled at once;
 * that nothing came of the others is known once they have waited.
 */
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-waited-"));
  const spoolDirectory = join(directory, "spool");
  store = await openChdb({ directory: join(directory, "chdb"), spoolDirectory });
  const after = (ms: string) => {
    return `fromUnixTimestamp64Milli(toInt64(${firstKnown} + number + ${ms}), 'UTC')`;
  };
  const vector = features.map((name, index) => {
    const value = index === 0 ? "number" : `cityHash64(number, ${index}) % 100`;
    return `toFloat64(${value}) AS ${name}`;
  });
  const labelled = "number % 10 = 0";
  const predicted = ["number AS flight_id", `${after("0")} AS known_at`, ...vector];
  const resolved = [
    ...["number AS flight_id", `${after("0")} AS predicted_at`],
    `${after(`if(${labelled}, 1, ${withinMs})`)} AS known_at`,
    `${labelled} AS labelled`,
    `toNullable(${labelled}) AS label`,
  ];
  for (const [name, columns] of [
    ["predictions", predicted],
    ["outcomes", resolved],
  ] as const) {
    const select = `SELECT ${columns.join(", ")} FROM numbers(${rows})`;
    await store.queryText(`CREATE TABLE ${name} ENGINE = Memory AS ${select}`, "TSV");
  }
});

after(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

async function train(unlabelled: "negative" | "unknown", overMs: number) {
  const steps = plan.steps.map((step) =>
    step.kind === "label" ? { ...step, spec: { ...step.spec, withinMs, unlabelled } } : step,
  );
  const trainer = createTrainer({
    plan: { ...plan, steps } satisfies Plan,
    training: { ...training, overMs },
    offline: store,
    artifacts: openArtifactStore(join(directory, "models")),
    whenStored: async () => {},
  });
  const request: RetrainRequest = {
    ...{ id: "retraining-1", number: 1, reasons: [], cutoff: firstKnown + rows },
  };
  const work = { request: JSON.stringify(request), promoted: null, against: "v0", looks: 0 };
  const { trainedOn, heldOut, holdoutAuc, promoted, reason } = await trainer.train(work);
  return { rows: trainedOn + heldOut, auc: holdoutAuc ?? 0, promoted, reason };
}

test("where nobody says so of a negative, predictions are trained on once their wait is over", async () => {
  const waited = await train("negative", rows);
  assert.equal(waited.rows, rows - withinMs);
  assert.ok(!waited.promoted && waited.auc < 0.6, waited.reason);
  assert.equal((await train("negative", 500)).rows, 500);
});

test("taken as they become known, a model tells the newest from the others by their time", async () => {
  const known = await train("unknown", rows);
  assert.equal(known.rows, rows - withinMs + withinMs / 10);
  assert.ok(known.auc > 0.9, known.reason);
});
