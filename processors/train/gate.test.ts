import assert from "node:assert/strict";
import { test } from "node:test";
import type { PromoteWhen } from "../../schemas/steps/training.ts";
import { areaUnderRocOf } from "../drift/auc.ts";
import { aucGain, lowerBound } from "./auc-gain.ts";
import { falsePromotionLevel, judge, levelOfLook } from "./gate.ts";
import { fitLogisticRegression, fittedProbabilities } from "./logistic-regression.ts";
import { seededRandom } from "./seeded-random-fixture.ts";

const better: PromoteWhen = { kind: "better" };

/** Seeded draws: uniform in [0, 1) and standard normal. */
function draws(seed: string) {
  const random = seededRandom(seed);
  const uniform = () => (random(2 ** 31) + 0.5) / 2 ** 31;
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

test("the gain and its error are those of the published method, worked by hand", () => {
  // Placements: challenger 1 1 .5 | 1 2/3 … against champion; three positives, two negatives.
  const labels = Uint8Array.of(1, 1, 1, 0, 0);
  const challenger = Float64Array.of(0.9, 0.8, 0.4, 0.5, 0.1);
  const champion = Float64Array.of(0.9, 0.3, 0.3, 0.3, 0.6);
  // Of positives: 1, 1, .5 and 1, .25, .25; of negatives: 2/3, 1 and 2/3, 1/3.
  const { gain, standardError } = aucGain(labels, challenger, champion);
  assert.ok(Math.abs(gain - (5 / 6 - 0.5)) < 1e-15);
  const positive = [0, 0.75, 0.25].map((d) => (d - 1 / 3) ** 2).reduce((a, b) => a + b) / 2 / 3;
  const negative = [0, 2 / 3].map((d) => (d - 1 / 3) ** 2).reduce((a, b) => a + b) / 1 / 2;
  assert.ok(Math.abs(standardError - Math.sqrt(positive + negative)) < 1e-15);
  assert.ok(Math.abs(lowerBound({ gain: 0, standardError: 1 }, 0.025) + 1.959963984540054) < 1e-9);
});

test("the gain is the difference of the areas, and its error that of repeated samples", () => {
  const gains: number[] = [];
  const errors: number[] = [];
  for (let sample = 0; sample < 200; sample++) {
    const { uniform, normal } = draws(`sample ${sample}`);
    const labels = Uint8Array.from({ length: 1_000 }, () => (uniform() < 0.3 ? 1 : 0));
    const signal = Float64Array.from(labels, (label) => label + normal());
    const ours = signal.map((each) => each + 0.3 * normal());
    const theirs = signal.map((each) => Math.round(each + 0.6 * normal()));
    const { gain, standardError } = aucGain(labels, ours, theirs);
    assert.ok(
      Math.abs(gain - (areaUnderRocOf(ours, labels) - areaUnderRocOf(theirs, labels))) < 1e-12,
    );
    gains.push(gain);
    errors.push(standardError);
  }
  const mean = gains.reduce((sum, each) => sum + each) / gains.length;
  const spread = Math.sqrt(
    gains.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (gains.length - 1),
  );
  const told = errors.reduce((sum, each) => sum + each) / errors.length;
  assert.ok(Math.abs(told / spread - 1) < 0.1, `${told} told, ${spread} found`);
});

test("the levels of any number of looks add up to no more than the whole", () => {
  let spent = 0;
  for (let look = 1; look <= 1_000; look++) spent += levelOfLook(look);
  assert.ok(spent < falsePromotionLevel && spent > 0.99 * falsePromotionLevel);
});

/** Four looks: to those behind them the test of the levels leaves a thousandth. */
test("equal skill is promoted in 5 % of 300 sequences at most, by any number of looks", () => {
  let champions = 0;
  for (let sequence = 0; sequence < 300; sequence++) {
    const { uniform, normal } = draws(`equal ${sequence}`);
    const noise = sequence % 2 === 0 ? 0.1 : 0.5;
    let replaced = false;
    for (let look = 1; look <= 4 && !replaced; look++) {
      const n = 4_000;
      const labels = Uint8Array.from({ length: n }, () => (uniform() < 0.2 ? 1 : 0));
      const signal = Float64Array.from(labels, (label) => label * 1.1 + normal());
      const ours = signal.map((each) => each + noise * normal());
      const theirs = signal.map((each) => each + noise * normal());
      replaced = judge(labels, ours, theirs, { promoteWhen: better, look }).promoted;
    }
    if (replaced) champions++;
  }
  assert.ok(champions <= 15, `${champions} of 300 replaced`);
});

/** Rows with a strong feature and a weak one, and labels of both. */
function rowsOf(n: number, { uniform, normal }: ReturnType<typeof draws>, weak: number) {
  const design = new Float64Array(n * 2);
  const labels = new Uint8Array(n);
  for (let row = 0; row < n; row++) {
    const [strong, little] = [normal(), normal()];
    design.set([strong, little], row * 2);
    labels[row] = uniform() < 1 / (1 + Math.exp(1.5 - 1.2 * strong - weak * little)) ? 1 : 0;
  }
  return { design, labels };
}

/** Trains a challenger on 16,000 rows and judges it on 4,000 against one of the strong feature. */
function training(seed: string, weak: number, promoteWhen: PromoteWhen) {
  const made = draws(seed);
  const train = rowsOf(16_000, made, weak);
  const held = rowsOf(4_000, made, weak);
  const model = fitLogisticRegression(train.design, train.labels, 2);
  const champion = Float64Array.from(held.labels, (_, row) => held.design[row * 2] as number);
  const challenger = fittedProbabilities(model, held.design);
  return judge(held.labels, challenger, champion, { promoteWhen, look: 1 });
}

test("of 150 trainings at 4,000 rows a gain of 0.006 is promoted in 80 %, none in 5 % at most", () => {
  let [promoted, gains, noise, fresh] = [0, 0, 0, 0];
  for (let i = 0; i < 150; i++) {
    const gained = training(`gain ${i}`, 0.25, better);
    gains += (gained.holdoutAuc as number) - (gained.championAuc as number);
    if (gained.promoted) promoted++;
    if (training(`none ${i}`, 0, better).promoted) noise++;
    if (i < 30 && training(`none ${i}`, 0, { kind: "not-worse", by: 0.005 }).promoted) fresh++;
  }
  assert.ok(Math.abs(gains / 150 - 0.006) < 0.0005, `mean gain ${gains / 150}`);
  assert.ok(promoted >= 120, `${promoted} of 150 promoted`);
  assert.ok(noise <= 7, `${noise} of 150 of no gain promoted`);
  assert.equal(fresh, 30, "equal skill is promoted where not worse is asked for");
});

test("the gate refuses noise, no gain and an uncertain gain, and says why", () => {
  const n = 2_000;
  const random = seededRandom("gate");
  const labels = Uint8Array.from({ length: n }, () => random(2));
  const noise = () => random(1000) / 500;
  const good = Float64Array.from(labels, (label) => label + noise());
  const worse = Float64Array.from(labels, (label) => label / 3 + noise());
  const random_ = Float64Array.from(labels, noise);
  const rule = { promoteWhen: better, look: 3 };
  assert.equal(judge(labels, good, null, rule).promoted, true);
  assert.match(judge(labels, random_, null, rule).reason, /not above 0.6/);
  assert.match(judge(labels, random_, worse, rule).reason, /not above 0.6/);
  assert.equal(judge(labels, good, worse, rule).promoted, true);
  const none = judge(labels, good, good, rule);
  assert.match(none.reason, /gain is 0.0000, not above 0 \(look 3, level 0.0012\)/);
  assert.equal(judge(labels, worse, good, rule).promoted, false);
  const notWorse: PromoteWhen = { kind: "not-worse", by: 0.01 };
  assert.equal(judge(labels, good, good, { ...rule, promoteWhen: notWorse }).promoted, true);
  assert.equal(judge(labels, worse, good, { ...rule, promoteWhen: notWorse }).promoted, false);
  const few = Uint8Array.from(labels, (label, row) => (row < 90 ? label : 0));
  const rare = judge(few, good, worse, rule);
  assert.equal(rare.promoted, false);
  assert.match(rare.reason, /\d+ held-out rows of a class are too few; 50 are needed/);
  const single = judge(new Uint8Array(n), good, null, rule);
  assert.equal(single.promoted, false);
  assert.equal(single.holdoutAuc, null);
});
