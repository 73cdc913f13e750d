import assert from "node:assert/strict";
import { test } from "node:test";
import { areaUnderRocOf } from "../../../processors/drift/auc.ts";
import { loadAirports } from "./airports.ts";
import { GeneratedFlights } from "./generated-flights.ts";

test("a flight is a function of seed and number, whatever was asked before", () => {
  const [flights, again, others] = [1, 1, 2].map((seed) => new GeneratedFlights(seed));
  const forward = Array.from({ length: 200 }, (_, id) => ({ ...flights?.at(id) }));
  const backward = Array.from({ length: 200 }, (_, id) => ({ ...again?.at(199 - id) })).reverse();
  assert.deepEqual(backward, forward);
  assert.notDeepEqual({ ...others?.at(7) }, forward[7]);
  assert.deepEqual({ ...flights?.at(3_000_000_000) }, { ...again?.at(3_000_000_000) });
  const { delayMinutes: _, ...route } = forward[7] ?? assert.fail();
  again?.at(100);
  const { delayMinutes: __, ...asked } = { delayMinutes: 0, ...again?.routeAt(7) };
  assert.deepEqual(asked, route);
});

test("flights are plausible: two airports, their distance, one in four or five late", () => {
  const flights = new GeneratedFlights(3);
  const codes = new Set(loadAirports.map(({ code }) => code));
  let late = 0;
  for (let id = 0; id < 20_000; id++) {
    const { origin, destination, distanceMiles, delayMinutes } = flights.at(id);
    assert.ok(codes.has(origin) && codes.has(destination) && origin !== destination);
    assert.ok(distanceMiles > 5 && distanceMiles < 3_000, `${origin} to ${destination}`);
    assert.ok(Number.isInteger(delayMinutes) && delayMinutes > -70 && delayMinutes < 200);
    if (delayMinutes > 15) late++;
  }
  assert.ok(late > 3_000 && late < 7_000, `${late} of 20,000 are late`);
  const atlanta = loadAirports.find(({ code }) => code === "ATL");
  assert.equal(atlanta?.utcHours, -5);
});

test("recent delays at both ends say who will be late: AUC above 0.65 for five seeds", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const flights = new GeneratedFlights(seed);
    const means = new Map<string, number>();
    const scores: number[] = [];
    const labels: number[] = [];
    for (let id = 0; id < 20_000; id++) {
      const { origin, destination, delayMinutes } = flights.at(id);
      const [from, to] = [`from ${origin}`, `to ${destination}`];
      if (id > 5_000) {
        scores.push((means.get(from) ?? 0) + (means.get(to) ?? 0));
        labels.push(delayMinutes > 15 ? 1 : 0);
      }
      for (const end of [from, to]) {
        means.set(end, 0.98 * (means.get(end) ?? 0) + 0.02 * delayMinutes);
      }
    }
    const auc = areaUnderRocOf(Float64Array.from(scores), Uint8Array.from(labels));
    assert.ok(auc > 0.65, `seed ${seed}: ${auc}`);
  }
});
