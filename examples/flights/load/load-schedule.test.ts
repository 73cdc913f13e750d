import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LoadSchedule } from "./load-schedule.ts";

const start = Date.UTC(2030, 0, 1);
const first = { start, flightTimeMs: 30_000, before: null, silences: [] };

test("a rate counts both topics: 1,000 events/s are 500 departures and 500 arrivals", () => {
  const schedule = new LoadSchedule({ ...first, rate: 1_000 });
  assert.equal(schedule.departingFrom(start + 10_000) - schedule.firstFlight, 5_000);
  assert.equal(schedule.departureOf(0), start);
  assert.equal(schedule.departureOf(500), start + 1_000);
  assert.equal(schedule.arrivalOf(500), start + 31_000);
});

test("departures and arrivals go by number, at any rate and across starts", () => {
  const rates = fc.integer({ min: 1, max: 100_000 });
  const ids = fc.integer({ min: 0, max: 1e9 });
  fc.assert(
    fc.property(rates, ids, fc.integer({ min: 0, max: 600_000 }), (rate, flightId, down) => {
      const before = { flightId, departedAt: start - down };
      const schedule = new LoadSchedule({ ...first, rate, before });
      assert.equal(schedule.firstFlight, flightId + 1);
      assert.equal(schedule.departureOf(flightId), before.departedAt);
      const oldest = schedule.oldestInTheAir();
      for (let flight = Math.max(oldest, flightId - 50); flight < flightId + 50; flight++) {
        assert.ok(schedule.departureOf(flight) <= schedule.departureOf(flight + 1));
        assert.ok(schedule.arrivalOf(flight) <= schedule.arrivalOf(flight + 1));
        assert.ok(schedule.arrivalOf(flight) >= start, "nothing arrives before the start");
      }
      const someTime = start + 12_345;
      const from = schedule.departingFrom(someTime);
      assert.ok(schedule.departureOf(from) >= someTime);
      assert.ok(from === schedule.firstFlight || schedule.departureOf(from - 1) < someTime);
    }),
  );
});

test("whoever was in the air at the start still arrives, unless that was long ago", () => {
  const before = { flightId: 1_000, departedAt: start - 5_000 };
  const schedule = new LoadSchedule({ ...first, rate: 20, before });
  assert.equal(schedule.arrivalOf(1_000), start + 25_000);
  assert.ok(schedule.oldestInTheAir() <= 1_000 - 250);
});

test("a silent partition is silent for its time, the others never", () => {
  const silences = [{ partition: 2, startMs: 60_000, lengthMs: 30_000 }];
  const schedule = new LoadSchedule({ ...first, rate: 1_000, silences });
  const at = (partition: number, second: number) =>
    schedule.isSilent(partition, start + second * 1_000);
  assert.deepEqual([at(2, 59.9), at(2, 60), at(2, 89.9), at(2, 90)], [false, true, true, false]);
  assert.equal(at(1, 70), false);
});
