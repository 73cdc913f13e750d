import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { TrainWork } from "../../../processors/train/train-work.ts";
import type { RetrainRequest } from "../../../schemas/payload.ts";
import type { Plan } from "../../../schemas/plan.ts";
import type { ChdbStore } from "../../../sinks/chdb/chdb.ts";
import type { OfflineStore } from "../../../sinks/store.ts";
import { requirement } from "../../../testing/requirements-fixture.ts";
import { mountSmallDisk } from "../../../testing/small-disk-fixture.ts";
import { type ArtifactStore, openArtifactStore } from "./artifacts.ts";
import {
  cutoff,
  features,
  firstKnown,
  openTrained,
  otherRows,
  plan,
  rows,
  training,
} from "./trained-tables-fixture.ts";
import {
  createTrainer,
  encodeModelAnswer,
  type TrainerOptions,
  trainerDefaults,
} from "./trainer.ts";

let directory: string;
let store: ChdbStore;
let artifacts: ArtifactStore;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-trainer-"));
  artifacts = openArtifactStore(join(directory, "models"));
  store = await openTrained(directory);
});

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
  const champion = { version: "v0", artifact: championArtifact, effectiveFrom: 0 };
  const promoted = championArtifact === "" ? null : champion;
  return { request: JSON.stringify(whole), promoted, against: "v0", looks: 0 };
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

/** A register in which somebody has named champions; it may change during a training. */
function registerOf(named: () => readonly (readonly [string, string, number])[]) {
  return {
    look: async () => {},
    champions: async (model: string) =>
      named().map(([version, sha256, effectiveFrom], index) => ({
        ...{ id: String(index), after: "", kind: "promote" as const, model, version, sha256 },
        ...{ champion: true, from: "", effectiveFrom, at: 0, by: "", why: "", checked: null },
      })),
  };
}

test("the champion to beat came into force last, promoted or named, before the challenger would", async () => {
  const { sha256 } = await trainer().train(work());
  const takesEffect = cutoff + training.trainingTimeMs;
  const against = async (options: Partial<TrainerOptions>, since: number) => {
    const asked = {
      ...work({}, sha256),
      promoted: { version: "v0", artifact: sha256, effectiveFrom: since },
    };
    const { championVersion, championAuc, promoted } = await trainer(options).train(asked);
    assert.deepEqual([promoted, championAuc !== null], [false, true]);
    return championVersion;
  };
  const register = registerOf(() => [
    ["r1", sha256, 100],
    ["r2", sha256, 200],
    ["r3", sha256, takesEffect + 1],
  ]);
  assert.equal(await against({ register }, 50), "r2");
  assert.equal(await against({ register }, 199), "r2");
  assert.equal(await against({ register }, 200), "v0", "of two at one time the trained one");
  assert.equal(await against({ register, now: () => takesEffect + 1 }, 50), "r3", "live");
});

test("nobody is promoted over a champion that was named while it was trained", async () => {
  const { sha256 } = await trainer().train(work());
  let asked = 0;
  const register = registerOf(() => (asked++ === 0 ? [] : [["r1", sha256, 1]]));
  const answer = await trainer({ register }).train(work());
  assert.deepEqual([answer.promoted, answer.championVersion], [false, "r1"]);
});

test("a champion that fails at every row is judged by what is served in its place", async () => {
  const sha256 = await artifacts.put(Buffer.from("no model"));
  const register = registerOf(() => [["r1", sha256, 1]]);
  const answer = await trainer({ register }).train(work());
  assert.deepEqual([answer.promoted, answer.championAuc], [true, 0.5], answer.reason);
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
  assert.deepEqual([few.promoted, few.sha256], [false, ""]);
  const none = await trainer().train(work({ cutoff: firstKnown }));
  assert.deepEqual([none.promoted, none.sha256, none.trainedOn], [false, "", 0]);
  assert.match(none.reason, /^0 labelled rows are too few; 200 are needed$/);
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
