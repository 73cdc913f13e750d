/** Laws of who answers which key. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  arranged,
  bucketCount,
  bucketOf,
  type Challenger,
  challengerOf,
  isSampled,
  noRoutes,
  shareOf,
} from "./model-routes.ts";

/** Made by murmur2 as Kafka's clients in Python have it. */
const vectors = [
  ["scores", "4711", 1340846733],
  ["scores", "c1", 930802573],
  ["fraud-canary", "São Paulo", 3422851601],
  ["scores/shadow", "p-1", 2318703002],
  ["a", "", 3842706125],
] as const;

const wanted = (shares: Readonly<Record<string, number>>) =>
  Object.entries(shares).map(([version, share]) => ({ version, sha256: `of ${version}`, share }));
/** Whole numbers below a bound, always the same. */
function seeded(): (below: number) => number {
  let state = 1;
  return (below) => {
    // @see Park and Miller, 1988.
    state = (state * 48_271) % 2_147_483_647;
    return Math.floor((state / 2_147_483_647) * below);
  };
}
const answersOf = (challengers: readonly Challenger[], bucket: number) =>
  challengerOf({ ...noRoutes, challengers }, bucket, null)?.version ?? null;

test("buckets are those of other languages", () => {
  for (const [salt, key, bucket] of vectors) assert.equal(bucketOf(salt, key), bucket, key);
});

test("a challenger gets its share of a million keys to 0.1 points, and keeps its keys as it rises", () => {
  const keys = 1_000_000;
  const buckets = Uint32Array.from({ length: keys }, (_, i) => bucketOf("scores", String(i)));
  let challengers: readonly Challenger[] = [];
  let before = new Uint8Array(keys);
  for (const share of [0.01, 0.05, 0.25, 0.5]) {
    challengers = arranged(challengers, wanted({ r2: share }));
    const routes = { ...noRoutes, challengers };
    let [taken, left] = [0, 0];
    const now = new Uint8Array(keys);
    for (let i = 0; i < keys; i++) {
      if (challengerOf(routes, buckets[i] as number, null) !== null) now[i] = 1;
      taken += now[i] as number;
      if (before[i] === 1 && now[i] === 0) left++;
    }
    assert.ok(Math.abs(taken / keys - share) <= 0.001, `${taken} of ${keys} for ${share}`);
    assert.equal(left, 0, `keys left at ${share}`);
    before = now;
  }
});

test("whatever shares change, a key stays with its challenger unless that one's share falls", () => {
  const random = seeded();
  for (let round = 0; round < 40; round++) {
    let challengers: readonly Challenger[] = [];
    let shares: Readonly<Record<string, number>> = {};
    for (let change = 0; change < 12; change++) {
      const names = ["r1", "r2", "r3", "r4"].filter(() => random(3) > 0);
      const next = Object.fromEntries(
        names.map((name) => [name, random(4) === 0 ? (shares[name] ?? 0) : random(251) / 1_000]),
      );
      const after = arranged(challengers, wanted(next));
      for (const { version, ranges } of after) {
        const share = next[version] as number;
        assert.equal(
          ranges.reduce((sum, { from, to }) => sum + to - from, 0),
          Math.round(share * bucketCount),
        );
        assert.ok(ranges.every(({ from, to }, i) => from < to && from > (ranges[i - 1]?.to ?? -1)));
      }
      for (let n = 0; n < 200; n++) {
        const bucket = random(bucketCount);
        const [was, is] = [answersOf(challengers, bucket), answersOf(after, bucket)];
        // One that rises or stays keeps its keys, one that falls gets none.
        if (was !== null && (next[was] ?? 0) >= (shares[was] ?? 0)) assert.equal(is, was);
        if (is !== null && (next[is] ?? 0) <= (shares[is] ?? 0)) assert.equal(was, is);
        const takers = after.filter((each) => answersOf([each], bucket) !== null);
        assert.ok(takers.length <= 1, "two answer one key");
      }
      [challengers, shares] = [after, next];
    }
  }
});

test("the records of a segment have challengers of their own, where that has any entry", () => {
  const all = arranged([], wanted({ r2: 1 }));
  const routes = {
    ...noRoutes,
    challengers: all,
    segments: { DE: arranged([], wanted({ r3: 0.5 })), FR: [] },
  };
  const [low, high] = [0, bucketCount - 1];
  const answers = (bucket: number, segment: string | null) =>
    challengerOf(routes, bucket, segment)?.version ?? null;
  assert.deepEqual([answers(low, "DE"), answers(high, "DE")], ["r3", null]);
  assert.deepEqual(
    [answers(low, "FR"), answers(low, "IT"), answers(low, null)],
    [null, "r2", "r2"],
  );
  assert.equal(answers(low, "constructor"), "r2");
});

test("shares are exact at both ends, and samples are of the lowest buckets", () => {
  assert.deepEqual(arranged([], wanted({ r2: 0 })), []);
  const [whole] = arranged([], wanted({ r2: 1 }));
  assert.deepEqual(whole?.ranges, [{ from: 0, to: bucketCount }]);
  assert.equal(shareOf(whole as Challenger), 1);
  assert.ok(!isSampled(0, 0) && isSampled(bucketCount - 1, 1));
  assert.ok(isSampled(bucketCount / 2 - 1, 0.5) && !isSampled(bucketCount / 2, 0.5));
});
