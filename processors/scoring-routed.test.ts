/** Champion, challengers and shadow of a routed step, against the same said naively. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { arranged, bucketCount, bucketOf, type ModelRoutes } from "../schemas/model-routes.ts";
import { RowCodec } from "../schemas/row-codec.ts";
import { routeTells } from "../schemas/steps/rules.ts";
import type { ScoringOperator } from "../schemas/steps/scoring.ts";
import { drive, type LoopRecord, RecordingOutbox, scoringOperator } from "./loop-fixture.ts";
import { type ChampionNews, withNews } from "./scoring/model-news.ts";
import { failuresInARow } from "./scoring/model-register.ts";
import { isScoreWork, rowStates } from "./scoring/score-work.ts";
import { ScoringProcessor } from "./scoring.ts";
import { arrival, departure, part } from "./scoring-fixture.ts";

const reads = {
  fields: [
    { name: "card", type: "text", nullable: false },
    { name: "country", type: "text", nullable: true },
  ],
} as const;
const routing = { by: "card", segment: "country", salt: "test" };
const operator: ScoringOperator = {
  ...scoringOperator,
  scoring: { ...scoringOperator.scoring, routing, reads, tells: routeTells },
};
const codec = new RowCodec(reads);
const cardOf = (id: number) => `c${id % 40}`;
const countryOf = (id: number) => ["DE", "FR", null][id % 3] ?? null;

function routed(id: number, knownAt: number): LoopRecord[] {
  const [one, two, trigger] = departure(id, knownAt) as [LoopRecord, LoopRecord, LoopRecord];
  const write: LoopRecord["write"] = (out) => {
    trigger.write(out);
    codec.write(out, { card: cardOf(id), country: countryOf(id) });
  };
  return [one, two, { ...trigger, write }];
}

const of = (version: string, share: number) => ({ version, share, sha256: `of ${version}` });
const first: ModelRoutes = {
  challengers: arranged([], [of("r2", 0.3)]),
  segments: {},
  shadow: of("r4", 0.5),
};
const second: ModelRoutes = {
  challengers: arranged(first.challengers, [of("r2", 0.5), of("r3", 0.5)]),
  segments: { DE: arranged([], [of("r3", 0.25)]) },
  shadow: null,
};
const said = (
  number: number,
  effectiveFrom: number,
  version: string,
  routes?: ModelRoutes,
): ChampionNews => {
  const sha256 = version === "" ? "" : `of ${version}`;
  return { number, effectiveFrom, version, sha256, ...(routes && { routes }) };
};
/** From 10 r1, from 110 with r2 and a shadow, from 310 with r3, which fails, from 510 r5 alone. */
const news = [said(1, 10, "r1"), said(2, 110, "", first), said(3, 310, "", second)].concat(
  said(4, 510, "r5"),
);
const scores: Readonly<Record<string, number>> = { r1: 0.1, r2: 0.2, r4: 0.4, r5: 0.5 };
/** Of r3, and now and then of r2, there is none. */
const scoreOf = (version: string, id: number) =>
  version === "r2" && id % 17 === 0 ? Number.NaN : (scores[version] ?? Number.NaN);

type Value = Readonly<Record<string, unknown>>;

function run(until: number, chance: () => number): { predictions: Value[]; outcomes: Value[] } {
  let processor = new ScoringProcessor(operator, part);
  const out = new RecordingOutbox();
  const settleOnce = () => {
    const work = processor.takeWork();
    if (work === null || !isScoreWork(work)) return;
    const { versions, versionOf, rows, features, asksNews, heard } = work.payload;
    const n = versionOf.length;
    const writer = new ByteWriter();
    const answers = Array.from(versionOf, (version, row) =>
      scoreOf(versions[version] as string, rows[row * features] as number),
    );
    for (const answer of answers) writer.f64(answer);
    for (let row = 0; row < n; row++) writer.f64(0);
    for (const answer of answers) {
      writer.u8(Number.isNaN(answer) ? rowStates.failed : rowStates.answered);
    }
    const result = writer.take();
    const given = asksNews ? withNews(result, news.slice(heard)) : result;
    processor.settle(new ByteReader(given), out);
  };
  const settle = () => {
    do settleOnce();
    while (processor.asks);
  };
  settle();
  const records: LoopRecord[] = [];
  for (let id = 0; id < until; id++) {
    records.push(...routed(id, id));
    if (id % 5 === 0) records.push(arrival(id, id + 7, id % 2));
  }
  drive(
    part,
    records,
    until + 500,
    () => processor,
    out,
    () => {
      if (chance() < 0.2) settle();
      if (chance() > 0.05) return;
      settle();
      const snapshot = new ByteWriter();
      processor.snapshot(snapshot);
      processor = new ScoringProcessor(operator, part);
      processor.restore(new ByteReader(snapshot.take()));
    },
  );
  settle();
  const values = (output: number) =>
    out.written.flatMap((each) => (each.output === output ? [each.value as Value] : []));
  return { predictions: values(0), outcomes: values(1) };
}

/** Who answers a record, and what it says of that: from the definition, record by record. */
function naive(until: number): Value[] {
  const failures = new Map<string, number>();
  const tell = (version: string, id: number): number | null => {
    const score = scoreOf(version, id);
    failures.set(version, Number.isNaN(score) ? (failures.get(version) ?? 0) + 1 : 0);
    return Number.isNaN(score) ? null : score;
  };
  const isAside = (version: string) => (failures.get(version) ?? 0) >= failuresInARow;
  return Array.from({ length: until }, (_, id): Value => {
    const champion = id > 510 ? "r5" : id > 10 ? "r1" : null;
    const bucket = bucketOf("test", cardOf(id));
    const share = bucket / bucketCount;
    const segment = countryOf(id);
    let challenger: string | null = null;
    if (id > 310 && id <= 510) {
      if (segment === "DE") challenger = share < 0.25 ? "r3" : null;
      else challenger = share < 0.5 ? "r2" : "r3";
    } else if (id > 110 && id <= 510 && share < 0.3) challenger = "r2";
    let [version, probability, rerouted]: [string | null, number, string | null] = [
      champion,
      0.25,
      null,
    ];
    if (champion !== null) probability = scores[champion] as number;
    if (challenger !== null) {
      const aside = isAside(challenger);
      const score = aside ? null : tell(challenger, id);
      if (score === null) rerouted = aside ? "put aside" : "failed";
      else [version, probability] = [challenger, score];
    }
    const isShadowed =
      id > 110 && id <= 310 && bucketOf("test/shadow", String(id)) / bucketCount < 0.5;
    return {
      ...{ flightId: id, version, probability, rerouted, segment, bucket: share },
      role: version === null ? "fallback" : version === challenger ? "challenger" : "champion",
      assigned: challenger ?? champion,
      shadowVersion: isShadowed ? "r4" : null,
      shadowScore: isShadowed ? 0.4 : null,
      fallbackReason: version === null ? "no model" : null,
    };
  });
}

test("whoever the routes name answers, the champion where it fails, a shadow never: however work is cut", () => {
  const until = 600;
  const expected = naive(until);
  const roles = new Map<unknown, number>();
  for (const { role, rerouted } of expected) {
    for (const each of [role, rerouted]) roles.set(each, (roles.get(each) ?? 0) + 1);
  }
  for (const each of ["fallback", "champion", "challenger", "failed", "put aside"]) {
    assert.ok((roles.get(each) ?? 0) >= 5, `${each}: ${roles.get(each)}`);
  }
  let state = 1;
  const random = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  for (const chance of [() => 1, () => 0, random, random, random]) {
    const { predictions, outcomes } = run(until, chance);
    const names = Object.keys(expected[0] as Value);
    const told = predictions.map((value) =>
      Object.fromEntries(names.map((name) => [name, value[name]])),
    );
    assert.deepEqual(told, expected);
    assert.equal(outcomes.length, until);
    for (const outcome of outcomes) {
      const prediction = expected[Number(outcome["flightId"])] as Value;
      for (const name of ["version", "probability", ...routeTells]) {
        assert.equal(outcome[name], prediction[name], name);
      }
    }
  }
});
