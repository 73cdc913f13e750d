import assert from "node:assert/strict";
import { test } from "node:test";
import { DelayInjections } from "./delay-injections.ts";
import { departureDays } from "./departure-days.ts";
import { type FlightFixture, fixtureFlights, fixtureStart } from "./flight-fixture.ts";
import { type Injections, injectionText, noInjections, parseInjections } from "./injections.ts";

const hour = 3_600_000;
const lateness = 10 * 60_000;

test("injections are read from what is written on the command line", () => {
  const texts = ["shift-12h@2001-03-03", "disorder:5m", "late:1%", "duplicates:0.5%"];
  assert.deepEqual(parseInjections(texts, 7, lateness), {
    shift: { byMs: 12 * hour, at: Date.UTC(2001, 2, 3) },
    permuteAt: null,
    disorderMs: 5 * 60_000,
    lateShare: 0.01,
    duplicateShare: 0.005,
    seed: 7,
  });
});

test("an injection that is not understood, repeated or impossible says why", () => {
  const wrong = [
    ["shift@2001-03-03"],
    ["shift-12x@2001-03-03"],
    ["permute@March"],
    ["permute@2001-02-32"],
    ["late:101%"],
    ["late:1"],
    ["noise:1%"],
    ["disorder:11m"],
    ["late:1%", "late:2%"],
  ];
  for (const texts of wrong) {
    assert.throws(
      () => parseInjections(texts, 1, lateness),
      { code: "APPLICATION_REFUSED" },
      texts.join(),
    );
  }
});

test("the order in which injections are written makes no difference to their text", () => {
  assert.equal(injectionText(["b:1", "a:2"], 1), injectionText(["a:2", "b:1"], 1));
  assert.equal(injectionText([], 9), "none");
});

const flights: FlightFixture[] = Array.from({ length: 600 }, (_, index) => ({
  local: index * 17 * 60_000,
  zone: -5 - (index % 4),
  origin: ["AAA", "BBB", "CCC"][index % 3] as string,
  delay: (index * 37) % 101,
}));

/** Two origins, a flight every eight minutes each, no two of one delay. */
const denseFlights: FlightFixture[] = Array.from({ length: 1000 }, (_, index) => ({
  local: index * 4 * 60_000,
  zone: -5,
  origin: ["AAA", "BBB"][index % 2] as string,
  delay: index,
}));

async function delaysOf(
  injections: Injections,
  from = flights,
): Promise<Map<number, [number, string, number]>> {
  const delays = new Map<number, [number, string, number]>();
  const change = new DelayInjections(injections);
  const source = fixtureFlights(from, 8);
  for await (const { flights: block } of departureDays(
    source,
    fixtureStart,
    fixtureStart + 9 * 24 * hour,
  )) {
    change.apply(block);
    for (let row = 0; row < block.size; row++) {
      delays.set(block.flightId[row] as number, [
        block.departedAt[row] as number,
        block.origin[row] as string,
        block.delayMinutes[row] as number,
      ]);
    }
  }
  return delays;
}

test("shifted flights have the delay of a flight of their origin that left some 12 h before", async () => {
  const at = fixtureStart + 24 * hour;
  const shift = { byMs: 12 * hour, at };
  const original = await delaysOf(noInjections, denseFlights);
  const shifted = await delaysOf({ ...noInjections, shift }, denseFlights);
  assert.equal(original.size, denseFlights.length);
  const drawn = [0, 0, 0, 0];
  for (const [id, [departedAt, origin, delay]] of shifted) {
    const since = [...original]
      .filter(([, [time, from]]) => from === origin && time >= departedAt - shift.byMs)
      .sort(([, [a]], [, [b]]) => a - b);
    const first = since[0]?.[1][0] as number;
    const pool = since
      .filter(([, [time]]) => time < first + hour / 2)
      .map(([, [, , each]]) => each);
    if (departedAt < at) assert.equal(delay, original.get(id)?.[2]);
    else {
      assert.equal(pool.length, drawn.length);
      assert.ok(pool.includes(delay), `flight ${id} has ${delay}, none of ${pool.join()}`);
      const place = pool.indexOf(delay);
      drawn[place] = (drawn[place] ?? 0) + 1;
    }
  }
  assert.ok(Math.min(...drawn) > 100, `of each half hour drawn, by place: ${drawn.join()}`);
  assert.deepEqual(shifted, await delaysOf({ ...noInjections, shift }, denseFlights));
  const other = { ...noInjections, shift, seed: 2 };
  assert.notDeepEqual(shifted, await delaysOf(other, denseFlights));
});

test("permuted delays are those of the same UTC day in another order, and only from the date on", async () => {
  const permuteAt = fixtureStart + 3 * 24 * hour;
  const original = await delaysOf(noInjections);
  const permuted = await delaysOf({ ...noInjections, permuteAt });
  const days = new Map<number, [number[], number[]]>();
  let moved = 0;
  for (const [id, [departedAt, , delay]] of permuted) {
    const own = original.get(id)?.[2] as number;
    if (departedAt < permuteAt) assert.equal(delay, own);
    if (delay !== own) moved++;
    const day = Math.floor(departedAt / (24 * hour));
    const both = days.get(day) ?? [[], []];
    both[0].push(own);
    both[1].push(delay);
    days.set(day, both);
  }
  for (const [before, after] of days.values()) assert.deepEqual(after.sort(), before.sort());
  assert.ok(moved > 200, `${moved} moved`);
  assert.notDeepEqual(permuted, await delaysOf({ ...noInjections, permuteAt, seed: 2 }));
});
