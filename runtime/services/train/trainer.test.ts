import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loopPlan } from "../../../processors/loop-fixture.ts";
import { seededRandom } from "../../../processors/train/seeded-random-fixture.ts";
import type { TrainWork } from "../../../processors/train/train-work.ts";
import { ByteWriter } from "../../../schemas/bytes.ts";
import type { RetrainRequest } from "../../../schemas/payload.ts";
import { type Plan, stepsOf } from "../../../schemas/plan.ts";
import type { TrainingSpec } from "../../../schemas/steps/training.ts";
import { type ChdbStore, openChdb } from "../../../sinks/chdb/chdb.ts";
import type { OfflineColumn, OfflineStore, OfflineTable } from "../../../sinks/store.ts";
import { requirement } from "../../../testing/requirements-fixture.ts";
import { mountSmallDisk } from "../../../testing/small-disk-fixture.ts";
import { type ArtifactStore, openArtifactStore } from "./artifacts.ts";
import {
  createTrainer,
  encodeModelAnswer,
  type TrainerOptions,
  trainerDefaults,
} from "./trainer.ts";

const plan = loopPlan();
const [scoring] = stepsOf(plan, "scoring");
const features = scoring?.features ?? [];
const training = stepsOf(plan, "training")[0] as TrainingSpec;
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
const rows = 4_000;
const firstKnown = 1_000_000;
const cutoff = firstKnown + rows;
/** Of the steps with other names. */
const otherRows = 500;

let directory: string;
let store: ChdbStore;
let artifacts: ArtifactStore;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-trainer-"));
  artifacts = openArtifactStore(join(directory, "models"));
  const spoolDirectory = join(directory, "spool");
  store = await openChdb({ directory: join(directory, "chdb"), spoolDirectory });
  const scores = { ...predictions, name: "scores" };
  const disputes = { ...outcomes, name: "disputes" };
  await store.migrate([predictions, outcomes, scores, disputes], []);
  await fill(predictions, outcomes, rows);
  await fill(scores, disputes, otherRows);
});

async function fill(predicted: OfflineTable, resolved: OfflineTable, n: number): Promise<void> {
  const made = madeUp(n);
  const parts = [
    { table: predicted, rowBinary: made.predicted },
    { table: resolved, rowBinary: made.resolved },
  ];
  for (const part of parts) await store.insert({ ...part, rows: n, token: part.table.name });
}

after(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

/** A promise that is held until `release`. */
function gate() {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { held, release: () => release() };
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

function trainer(options: Partial<TrainerOptions> = {}) {
  return createTrainer({
    plan,
    training: { ...training, overMs: 10_000 },
    offline: store,
    artifacts,
    whenStored: async () => {},
    ...options,
  });
}

function work(request: Partial<RetrainRequest> = {}, championArtifact = ""): TrainWork {
  const whole: RetrainRequest = { id: "retraining-1", number: 1, reasons: [], cutoff, ...request };
  const champion = championArtifact === "" ? null : "v0";
  return { request: JSON.stringify(whole), champion, championArtifact, looks: 0 };
}

test("equal rows and an equal request give the same model by sha256, promoted with its reasons", async () => {
  const answer = await trainer().train(work());
  assert.equal(answer.promoted, true, answer.reason);
  assert.ok((answer.holdoutAuc as number) > 0.8);
  assert.equal(answer.version, "v1");
  assert.equal(answer.trainedOn + answer.heldOut, rows - rows / 50);
  assert.equal(answer.effectiveFrom, cutoff + training.trainingTimeMs);
  assert.deepEqual(await readdir(artifacts.directory), [`${answer.sha256}.onnx`]);
  assert.deepEqual(await trainer().train(work()), answer);
  const { feature, counts } = answer.reference[0] ?? { feature: "", counts: [] };
  assert.equal(feature, features[0]);
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    answer.trainedOn,
  );
});

test("the rows are those of the training's own steps, whatever their names", async () => {
  const renamed: Plan = {
    ...plan,
    steps: plan.steps.map((step) => {
      switch (step.kind) {
        case "scoring":
          return { ...step, spec: { ...step.spec, name: "scores" } };
        case "label":
          return { ...step, spec: { ...step.spec, name: "disputes", predictions: "scores" } };
        case "watch":
          return { ...step, spec: { ...step.spec, outcomes: "disputes" } };
        default:
          return step;
      }
    }),
  };
  const answer = await trainer({ plan: renamed }).train(work());
  assert.equal(answer.trainedOn + answer.heldOut, otherRows - otherRows / 50);
});

test("a challenger that is the champion over again is refused", async () => {
  const { sha256 } = await trainer().train(work());
  const again = await trainer().train(work({ id: "retraining-2", number: 2 }, sha256));
  assert.equal(again.sha256, sha256);
  assert.equal(again.promoted, false);
  assert.equal(again.championAuc, again.holdoutAuc);
  assert.equal(again.championVersion, "v0");
});

test("only outcomes known before the cutoff, and not longer ago than over, are trained on", async () => {
  const of = async (from: number, to: number) => {
    const spec = { ...training, overMs: to - from };
    const answer = await trainer({ training: spec }).train(work({ cutoff: to }));
    return answer.trainedOn + answer.heldOut;
  };
  // Every fiftieth, from the first, is unlabelled.
  assert.equal(await of(firstKnown + 100, firstKnown + 1_100), 980);
  assert.equal(await of(firstKnown + 101, firstKnown + 1_101), 980);
  assert.equal(await of(firstKnown - 500, firstKnown + 1), 0);
});

test("more rows than allowed are sampled by the seed", async () => {
  const of = (seed: number) => {
    const spec = { ...training, overMs: 10_000, algorithm: { ...training.algorithm, seed } };
    return trainer({ training: spec, maxRows: 1_000 }).train(work());
  };
  const first = await of(1);
  const n = first.trainedOn + first.heldOut;
  assert.ok(n > 850 && n < 1_150, `${n} rows`);
  assert.equal((await of(1)).sha256, first.sha256);
  assert.notEqual((await of(2)).sha256, first.sha256);
});

test("labels that mean nothing give a model that the gate refuses", async () => {
  const shuffled: Pick<OfflineStore, "query" | "queryStream"> = {
    query: (sql) => store.query(sql),
    queryStream: (sql, onChunk) =>
      store.queryStream(
        sql.replace("toUInt8(assumeNotNull(label))", "toUInt8(rand(1) % 2)"),
        onChunk,
      ),
  };
  const answer = await trainer({ offline: shuffled }).train(work());
  assert.equal(answer.promoted, false);
  assert.match(answer.reason, /not above 0.6/);
  assert.notEqual(answer.sha256, "");
});

test("where a model has no answer the fallback is judged, as it would be served", async () => {
  // Two features that tell the same with other signs: infinite both, they give no number.
  const [first, second] = [0, 1].map((index) => `ifNull(p.\`${features[index]}\`, nan)`);
  const late = `o.outcome_known_at >= fromUnixTimestamp64Milli(toInt64(${firstKnown + 3_200}))`;
  const infinite: Pick<OfflineStore, "query" | "queryStream"> = {
    query: (sql) => store.query(sql),
    queryStream: (sql, onChunk) =>
      store.queryStream(
        sql
          .replace(`toFloat64(${second})`, `if(${late}, inf, -toFloat64(${first}))`)
          .replace(`toFloat64(${first}),`, `if(${late}, inf, toFloat64(${first})),`),
        onChunk,
      ),
  };
  const answer = await trainer({ offline: infinite }).train(work());
  assert.equal(answer.holdoutAuc, 0.5, answer.reason);
  assert.equal(answer.promoted, false);
});

test("what varies in no training row is no part of the model, whatever it is later", async () => {
  const infinite: Pick<OfflineStore, "query" | "queryStream"> = {
    query: (sql) => store.query(sql),
    queryStream: (sql, onChunk) =>
      store.queryStream(sql.replace(`ifNull(p.\`${features[1]}\`, nan)`, "inf"), onChunk),
  };
  const answer = await trainer({ offline: infinite }).train(work());
  assert.equal(answer.promoted, true, answer.reason);
});

test("too few rows, a missing champion and a stuck training are answers too", async () => {
  const few = await trainer().train(work({ cutoff: firstKnown + 50 }));
  assert.match(few.reason, /too few/);
  assert.equal(few.sha256, "");
  const lost = await trainer().train(work({}, "0".repeat(64)));
  assert.equal(lost.promoted, false);
  assert.match(lost.reason, /training failed: .*is not in/);
  const stuck = await trainer({ timeoutMs: 0 }).train(work());
  assert.equal(stuck.promoted, false);
  assert.match(stuck.reason, /took longer than 0 ms/);
});

test("a disk without room for the artifact is no answer; the same request has one later", {
  skip: requirement("mount"),
}, async () => {
  const disk = mountSmallDisk(join(directory, "disk"), 8);
  try {
    const expected = await trainer().train(work());
    const cramped = trainer({ artifacts: openArtifactStore(join(disk.path, "models")) });
    disk.fill();
    await assert.rejects(cramped.train(work()), { code: "STORAGE_FULL" });
    disk.free();
    assert.deepEqual(await cramped.train(work()), expected);
  } finally {
    disk.unmount();
  }
});

test("an answer that would fit no record is answered as failed, by its code, and is small", async () => {
  const whole = await trainer().train(work());
  const bytes = encodeModelAnswer(whole).length;
  assert.deepEqual(await trainer({ maxAnswerBytes: bytes }).train(work()), whole);
  const refused = await trainer({ maxAnswerBytes: bytes - 1 }).train(work());
  assert.match(
    refused.reason,
    /^training failed: TRAINING_OVERSIZE: .* takes \d+ bytes, more than/,
  );
  assert.deepEqual([refused.promoted, refused.sha256, refused.reference], [false, "", []]);
  assert.equal(refused.version, whole.version);
  assert.ok(trainerDefaults.maxAnswerBytes < 1024 * 1024 - 16 * 1024, "with all around it");
});

test("requests that come together are answered one after the other", async () => {
  let [reading, most] = [0, 0];
  const watched = trainer({
    offline: {
      query: (sql) => store.query(sql),
      queryStream: async (sql, onChunk) => {
        most = Math.max(most, ++reading);
        await store.queryStream(sql, onChunk);
        reading--;
      },
    },
  });
  const few = work({ cutoff: firstKnown + 50 });
  const [first, second] = await Promise.all([watched.train(few), watched.train(few)]);
  assert.deepEqual(first, second);
  assert.equal(most, 1);
});

test("a store that is away rejects, and a trainer that is closed has not failed", async () => {
  const away = trainer({
    offline: {
      query: () => Promise.reject(new Error("away")),
      queryStream: () => Promise.reject(new Error("away")),
    },
  });
  await assert.rejects(away.train(work()), /away/);
  const { held, release } = gate();
  const closing = trainer({
    offline: {
      query: (sql) => store.query(sql),
      queryStream: async (sql, onChunk) => {
        await store.queryStream(sql, onChunk);
        await held;
      },
    },
  });
  const answer = assert.rejects(closing.train(work()), /closed/);
  await closing.close();
  release();
  await answer;
});

test("a trainer that is closed before its rows are read starts no thread for them", async () => {
  for (const waits of ["stored", "counted"]) {
    const [reached, released] = [gate(), gate()];
    let read = 0;
    const wait = async (where: string) => {
      if (where !== waits) return;
      reached.release();
      await released.held;
    };
    const closing = trainer({
      whenStored: () => wait("stored"),
      offline: {
        query: async (sql) => {
          await wait("counted");
          return await store.query(sql);
        },
        queryStream: async () => {
          read++;
        },
      },
    });
    const answer = assert.rejects(closing.train(work()), /closed/);
    await reached.held;
    await closing.close();
    released.release();
    await answer;
    assert.equal(read, 0, waits);
  }
});
