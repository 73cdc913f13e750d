/** What a label step keeps beyond its share of memory stands on disk, and nothing else changes. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import type { LocalStore } from "../processors/local-store.ts";
import {
  loopPlan,
  partOf,
  RecordingOutbox,
  scoringOperator,
  settleBy,
} from "../processors/loop-fixture.ts";
import { LabelJoin } from "../processors/scoring/label-join.ts";
import { PredictedIds } from "../processors/scoring/predicted-ids.ts";
import { ScoringProcessor } from "../processors/scoring.ts";
import { LocalStores } from "../runtime/engine/local-stores.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import type { RowLayout } from "../schemas/row-layout.ts";
import { executeAir, produceAir } from "./air-input-fixture.ts";
import { collectAir } from "./air-output-fixture.ts";
import { air, makeLogs } from "./schedule-fixture.ts";
import { runSchedule, seededRandom } from "./simulator.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-spill-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("with room for a few entries in memory a topology says the same, crashes included", async () => {
  const digests: string[] = [];
  for (const entries of [null, 4, 5]) {
    const registry = createMemoryRegistry();
    const broker = await openEmbeddedBroker({ directory: null });
    await broker.createTopics(air.topics);
    await produceAir(broker, registry, makeLogs(3, 300, 4));
    const directory = join(folder, `entries-${entries}`);
    const { crashes } = await runSchedule({
      plan: air,
      broker,
      registry,
      execute: async (_, work) => executeAir(work),
      seed: entries ?? 1,
      crash: 0.003,
      snapshots: { factor: 0.5, minBytes: 3_000 },
      ...(entries === null ? {} : { spill: { directory, entries } }),
    });
    assert.ok(crashes > 0);
    digests.push((await collectAir(broker, registry)).digest);
    await broker.close();
  }
  assert.equal(new Set(digests).size, 1);
});

test("a join and its ids answer alike in memory and on disk, at any share", () => {
  const within = 1_000;
  const stores = new LocalStores({ directory: join(folder, "alike"), entries: 7 });
  const spill = stores.open();
  const keys: RowLayout = { fields: [{ name: "keys.card", type: "text", nullable: false }] };
  const sides = [null, spill].map((each) => ({
    join: new LabelJoin(within, each, keys),
    ids: new PredictedIds(within, each),
  }));
  const random = seededRandom(11);
  let now = 0;
  for (let step = 0; step < 20_000; step++) {
    now += Math.floor(random() * 4);
    const id = `p${Math.floor(random() * 4_000)}`;
    const isPrediction = random() < 0.6;
    const said = sides.map(({ join, ids }) => {
      const heard: unknown[] = [];
      while (join.nextDeadline() <= now) heard.push(join.nextDeadline(), join.expire());
      join.advanceTo(now);
      ids.advanceTo(now);
      if (isPrediction) {
        if (ids.isDuplicate(id, now)) return [...heard, "duplicate"];
        ids.add(id, now);
        const said = { version: "", probability: Number.NaN, told: null };
        const keys = { "keys.card": `c${step % 5}` };
        const prediction = { id, predictedAt: now, ...said, keys };
        heard.push(join.predict(prediction));
        prediction.version = `v${step % 3}`;
        prediction.probability = step;
      } else {
        const closed = join.close(id);
        heard.push(closed);
        const early = { id, knownAt: now, eventTime: now - 5, label: step % 2, writer: 3 };
        if (closed === null && !ids.owns(id)) join.keep(early);
      }
      join.trim();
      if (step % 999 === 0) heard.push(snapshotOf(join), snapshotOf(ids));
      return heard;
    });
    assert.deepEqual(said[1], said[0], `step ${step}`);
  }
  const [, spilled] = sides;
  assert.ok(spilled !== undefined && spilled.join.inMemory <= 14 && spilled.ids.inMemory <= 7);
  stores.clear();
  assert.ok(!existsSync(join(folder, "alike")));
});

function snapshotOf(part: { snapshot(writer: ByteWriter): void }): string {
  const writer = new ByteWriter();
  part.snapshot(writer);
  return writer.take().toString("hex");
}

test("labels that come before any prediction leave memory too, though nothing is answered", () => {
  const part = partOf(loopPlan(), "predictions");
  const stores = new LocalStores({ directory: join(folder, "early"), entries: 100 });
  const { store, entries } = stores.open();
  let moved = 0;
  const counting: LocalStore = {
    ...store,
    put: (key, value) => {
      moved++;
      store.put(key, value);
    },
  };
  const spill = { store: counting, entries };
  const processor = new ScoringProcessor(scoringOperator, part, false, 0, spill);
  // Which champions were named it asks first.
  settleBy(processor, new RecordingOutbox(), () => 0);
  const labels = part.inputs.findIndex(({ name }) => name === "labels");
  const writer = new ByteWriter();
  for (let id = 0; id < 2_000; id++) {
    writer.reset();
    writer.text(`early-${id}`);
    writer.f64(0);
    writer.f64(1);
    processor.process(labels, 0, 1, new ByteReader(writer.take()));
    assert.equal(processor.takeWork(), null);
  }
  assert.ok(moved >= 2_000 - entries, `${moved} entries and chunks have moved`);
  stores.clear();
});
