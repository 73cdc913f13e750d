import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { stepsOf } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import { modelLines } from "../../serving/model-lines.ts";
import type { ServedStack } from "../../serving/served-stack.ts";
import { type ChdbStore, openChdb } from "../../sinks/chdb/chdb.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { currentAuc } from "../run/current-auc.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-models-"));
const opened: { store?: ChdbStore } = {};
before(async () => {
  const [directory, spoolDirectory] = [join(folder, "data"), join(folder, "spool")];
  opened.store = await openChdb({ directory, spoolDirectory });
});
after(async () => {
  await opened.store?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly probability: number;
  readonly labelled: boolean;
  /** Null: unknown. Without a label, false: taken for negative. */
  readonly label: boolean | null;
}

/** The share of pairs of a positive and a negative that a model puts right. */
function naiveAuc(outcomes: readonly Outcome[]): number | null {
  const of = (wanted: boolean) => outcomes.filter(({ label }) => label === wanted);
  const [positives, negatives] = [of(true), of(false)];
  let won = 0;
  for (const a of positives) {
    for (const b of negatives) {
      won += a.probability > b.probability ? 1 : a.probability === b.probability ? 0.5 : 0;
    }
  }
  const pairs = positives.length * negatives.length;
  return pairs === 0 ? null : won / pairs;
}

/** An offline store of one model, which has made these predictions, and one that has made none. */
function stackOf(outcomes: readonly Outcome[]): ServedStack {
  const model = predictionsOf(plan)[0]?.model.name ?? "";
  const rows = outcomes.map(
    ({ probability, labelled, label }) => `(${probability}, ${labelled}, ${label ?? "NULL"})`,
  );
  const types = "'probability Float64, labelled UInt8, label Nullable(UInt8)'";
  const given = `WITH
    ${stepsOf(plan, "label")[0]?.name} AS (SELECT *, CAST('v1', 'Nullable(String)') AS version,
      toDateTime64(1, 3, 'UTC') AS known_at
      FROM values(${[types, ...rows].join(", ")})),
    ${predictionsOf(plan)[0]?.name} AS (SELECT CAST('v1', 'Nullable(String)') AS version
      FROM numbers(${outcomes.length + 2})),
    models AS (SELECT '${plan.name}' AS topology, '${model}' AS model, version, 1 AS promoted,
      toDateTime64(0, 3, 'UTC') AS effective_from, 1 AS trained_on, 0.5 AS holdout_auc,
      'ab' AS sha256, '' AS reason FROM values('version String', 'v1', 'v2'))`;
  const query = (sql: string) => opened.store?.query(`${given} ${sql}`);
  return { offline: { of: () => ({ query }) } } as unknown as ServedStack;
}

const outcome = fc.record({
  probability: fc.constantFrom(0.125, 0.25, 0.5, 0.75),
  ...{ labelled: fc.boolean(), label: fc.constantFrom(true, false, null) },
});
/** A label is true or false; without one an outcome is negative or unknown. */
const outcomes = fc
  .array(outcome, { minLength: 1, maxLength: 30 })
  .map((all) =>
    all.map(
      ({ labelled, label, probability }): Outcome =>
        labelled
          ? { probability, labelled, label: label === true }
          : { probability, labelled, label: label === null ? null : false },
    ),
  );

test("models are judged by all outcomes that are known, those taken for negative too", async () => {
  for (const all of fc.sample(outcomes, { numRuns: 40, seed: 1 })) {
    const stack = stackOf(all);
    const [first, second] = await modelLines([plan], stack, []);
    const expected = naiveAuc(all);
    const told = JSON.stringify(all);
    assert.deepEqual([first?.scored, second?.scored, second?.liveAuc], [all.length + 2, 0, null]);
    const found = [first?.liveAuc, await currentAuc([plan], stack.offline as never)];
    for (const auc of found) {
      if (expected === null) assert.equal(auc, null, told);
      else assert.ok(Math.abs((auc ?? -1) - expected) < 1e-12, `${auc} ${expected} ${told}`);
    }
  }
});
