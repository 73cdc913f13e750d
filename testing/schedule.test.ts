import assert from "node:assert/strict";
import { test } from "node:test";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import type { BranchCounters } from "../processors/processor.ts";
import type { ToldExplanation } from "../processors/scoring/explain/told-explanation.ts";
import { type BranchAccount, branchAccounts } from "../runtime/engine/accounting.ts";
import { SourceTask } from "../runtime/engine/source-task.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { executeAir, produceAir } from "./air-input-fixture.ts";
import { type AirOutput, collectAir, compareAir } from "./air-output-fixture.ts";
import {
  air,
  airOfPredictions,
  chosenAir,
  dedupedAir,
  explainedAir,
  makeLogs,
  optionalAir,
  patientAir,
  scatteredAir,
  scatteredDedupedAir,
  withoutSome,
  withPause,
} from "./schedule-fixture.ts";
import { type OracleOutput, type SourceLogs, sequentialOracle } from "./sequential-oracle.ts";
import { runSchedule, seededRandom } from "./simulator.ts";

const schedules = Number(process.env["MILLRACE_SCHEDULES"] ?? 4);

test("any schedule of slices, slow sources and crashes gives what the definitions say", async () => {
  const logs = makeLogs(1, 700, 5);
  const expected = sequentialOracle(air, logs);
  assert.ok(expected.late.length > 3 && expected.predictions.length > 600);
  const digests = new Set<string>();
  let crashes = 0;
  for (let seed = 1; seed <= schedules; seed++) {
    const run = await runOnce(logs, seed);
    compareAir(run.output, expected, `schedule ${seed}`);
    digests.add(run.digest);
    crashes += run.crashes;
  }
  assert.equal(digests.size, 1, "predictions, outcomes, drift, requests and models are byte-equal");
  assert.ok(crashes > schedules, `${crashes} crashes are too few to prove anything`);
});

test("records that stand in any partition are sent to their tasks", async () => {
  const logs = makeLogs(3, 400, 5, true);
  const expected = sequentialOracle(scatteredAir, logs);
  assert.ok(expected.predictions.length > 350);
  for (const seed of [1, 2]) {
    const run = await runOnce(logs, seed, scatteredAir);
    compareAir(run.output, expected, `schedule ${seed}`);
  }
});

test("records go through where and select before features, triggers and labels", async () => {
  const logs = makeLogs(4, 600, 5);
  const expected = sequentialOracle(chosenAir, logs);
  assert.ok(expected.predictions.length > 350 && expected.predictions.length < 560);
  for (const seed of [1, 2]) {
    const run = await runOnce(logs, seed, chosenAir);
    compareAir(run.output, expected, `schedule ${seed}`);
  }
});

test("what jumps further than its source admits is refused, whatever crashes", async () => {
  const logs = withPause(makeLogs(8, 700, 9), 5, 8);
  const [usual, patient] = [sequentialOracle(air, logs), sequentialOracle(patientAir, logs)];
  assert.ok(usual.ahead.length > 50, `${usual.ahead.length} are refused`);
  assert.equal(patient.ahead.length, 0);
  assert.ok(patient.predictions.length > usual.predictions.length + 20);
  for (const seed of [1, 2]) {
    const [one, other] = [await runOnce(logs, seed), await runOnce(logs, seed, patientAir)];
    compareAir(one.output, usual, `schedule ${seed}`);
    compareAir(other.output, patient, `schedule ${seed}, patient`);
  }
});

for (const [plan, isScattered] of [
  [dedupedAir, false],
  [scatteredDedupedAir, true],
] as const) {
  const where = isScattered ? "in any partition" : "in that of its key";
  test(`a record that comes again ${where} is passed on once, whatever crashes`, async () => {
    const logs = makeLogs(5, 600, 5, isScattered);
    const expected = sequentialOracle(plan, logs);
    const plain = sequentialOracle(isScattered ? scatteredAir : air, logs);
    assert.ok(expected.rows.length < plain.rows.length - 10);
    for (const seed of [1, 2]) {
      const run = await runOnce(logs, seed, plan);
      compareAir(run.output, expected, `schedule ${seed}`);
    }
  });
}

test("features of predictions and outcomes are those of their definitions, whatever crashes", async () => {
  const logs = makeLogs(6, 350, 4);
  const expected = sequentialOracle(airOfPredictions, logs);
  const rowsOf = (view: string) => expected.rows.filter((row) => row.startsWith(`${view}|`)).length;
  for (const view of ["far@1", "known@1", "once@1"]) assert.ok(rowsOf(view) > 100, view);
  const digests = new Set<string>();
  for (const seed of [1, 4]) {
    const run = await runOnce(logs, seed, airOfPredictions);
    compareAir(run.output, expected, `schedule ${seed}`);
    digests.add(run.digest);
  }
  assert.equal(digests.size, 1);
});

test("a label that says it is of nobody labels nothing, and is counted", async () => {
  const logs = withoutSome(makeLogs(8, 500, 5));
  const expected = sequentialOracle(optionalAir, logs);
  const all = sequentialOracle(air, logs);
  const labelled = ({ outcomes }: OracleOutput) =>
    outcomes.filter((each) => !each.endsWith("unlabelled")).length;
  assert.ok(labelled(expected) < labelled(all) - 30);
  assert.deepEqual(expected.rows, all.rows, "it is a record like others elsewhere");
  const digests = new Set<string>();
  for (const seed of [1, 2]) {
    const run = await runOnce(logs, seed, optionalAir);
    compareAir(run.output, expected, `schedule ${seed}`);
    digests.add(run.digest);
    const accounts = run.accounts.filter(({ branch }) => branch === "outcomes");
    const sum = (what: keyof BranchCounters) =>
      accounts.reduce((total, each) => total + each[what], 0);
    assert.equal(sum("in"), sum("processed") + sum("late") + sum("filtered"));
    assert.equal(sum("processed"), labelled(expected));
    assert.equal(sum("deadLettered"), 0);
  }
  assert.equal(digests.size, 1);
});

test("explanations are those of the rows that were scored, whatever crashes", async () => {
  const logs = makeLogs(7, 500, 5);
  const expected = sequentialOracle(explainedAir, logs);
  const digests = new Set<string>();
  for (const seed of [1, 5]) {
    const run = await runOnce(logs, seed, explainedAir);
    checkExplained(run.predictions);
    compareAir(run.output, expected, `schedule ${seed}`);
    digests.add(run.digest);
    assert.ok(run.crashes > 0);
  }
  assert.equal(digests.size, 1);
});

/** As `executeAir` explains: by the values of its features, 1 where one is missing. */
function checkExplained(predictions: readonly Readonly<Record<string, unknown>>[]): void {
  let explained = 0;
  for (const { features, version, explanation, explanationReason } of predictions) {
    const told = explanation as ToldExplanation | null;
    assert.equal(told === null, version === null);
    if (told === null) {
      assert.equal(explanationReason, "the fallback answered, which is no model");
      continue;
    }
    explained++;
    assert.equal(explanationReason, null);
    const all = Object.values(features as object).map((value: number | null) => value ?? 1);
    const most = all.toSorted((a, b) => Math.abs(b) - Math.abs(a)).slice(0, 2);
    assert.deepEqual(
      told.contributions.map(({ contribution }) => contribution),
      most,
    );
    const sum = told.contributions.reduce((total, each) => total + each.contribution, told.rest);
    const whole = all.reduce((total, each) => total + each, 0);
    assert.ok(Math.abs(sum - whole) <= 1e-9 * Math.abs(whole), `${sum}, not ${whole}`);
    assert.equal(told.expected, Number(String(version).slice(1)));
  }
  assert.ok(explained > 100 && explained < predictions.length, `${explained} are explained`);
}

interface Run extends AirOutput {
  readonly accounts: readonly BranchAccount[];
  readonly crashes: number;
}

async function runOnce(logs: SourceLogs, seed: number, plan = air): Promise<Run> {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(plan.topics);
  await produceAir(broker, registry, logs, plan);
  const random = seededRandom(seed * 7919);
  const slow = ["none", "air.departures", "air.arrivals", "one"][seed % 4];
  const { crashes, tasks } = await runSchedule({
    plan,
    broker,
    registry,
    seed,
    execute: async (_, work) => executeAir(work),
    crash: 0.004 + random() * 0.01,
    speed: (task) => {
      const source = task instanceof SourceTask ? task.subtopology.name : "";
      if (slow === "one" && source !== "" && task.partition === seed % 3) return 0.05;
      return source === slow ? 0.1 : 1;
    },
    snapshots: { factor: 0.5, minBytes: 1_000 },
    fetchBytes: [2_000, 20_000, 200_000][seed % 3] ?? 2_000,
  });
  const output = await collectAir(broker, registry, plan);
  for (const { operator, changelog } of plan.subtopologies) {
    if (operator.kind !== "view") continue;
    const places = [0, 1, 2, 3].map((partition) => ({ topic: changelog, partition }));
    const starts = await broker.listOffsets(places.map((place) => ({ ...place, at: "earliest" })));
    assert.ok(Math.max(...starts) > 0, `${changelog} was never cut at a snapshot`);
  }
  await broker.close();
  return { ...output, crashes, accounts: branchAccounts(plan, tasks) };
}
