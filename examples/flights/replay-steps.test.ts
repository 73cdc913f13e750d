import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { partitionOf } from "../../schemas/murmur2.ts";
import { type FlightFixture, fixtureFlights, fixtureStart } from "./flight-fixture.ts";
import type { FlightSource } from "./flight-source.ts";
import { noInjections } from "./injections.ts";
import { departureKind, type ReplaySegment, replaySteps } from "./replay-steps.ts";

const minute = 60_000;
const day = 86_400_000;
const latenessMs = 10 * minute;

interface Sent {
  readonly step: number;
  readonly watermark: number;
  readonly topic: number;
  readonly id: number;
  readonly copy: number;
  readonly eventTime: number;
  readonly delay: number;
  readonly late: boolean;
}

async function sent(
  source: FlightSource,
  segment: ReplaySegment,
  resumeAt = Number.NEGATIVE_INFINITY,
): Promise<{ records: Sent[]; nexts: (number | null)[]; watermarks: number[] }> {
  const records: Sent[] = [];
  const nexts: (number | null)[] = [];
  const watermarks: number[] = [];
  for await (const step of replaySteps(source, segment, resumeAt)) {
    const { blocks, rows, kinds, copies, late } = step.events;
    for (const [at, block] of blocks.entries()) {
      const row = rows[at] as number;
      const isDeparture = kinds[at] === departureKind;
      records.push({
        step: nexts.length,
        watermark: watermarks.at(-1) ?? segment.from,
        topic: kinds[at] as number,
        id: block.flightId[row] as number,
        copy: copies[at] as number,
        eventTime: (isDeparture ? block.departedAt[row] : block.arrivedAt[row]) as number,
        delay: block.delayMinutes[row] as number,
        late: late[at] as boolean,
      });
    }
    nexts.push(step.next);
    watermarks.push(step.watermark);
  }
  return { records, nexts, watermarks };
}

const flight: fc.Arbitrary<FlightFixture> = fc.record({
  local: fc.nat(4 * 24 * 60 - 1).map((at) => at * minute),
  zone: fc.integer({ min: -10, max: -4 }),
  distance: fc.integer({ min: 21, max: 4962 }),
});
const flightsOf = fc.array(flight, { minLength: 1, maxLength: 150 });
const segmentOf = fc
  .record({
    from: fc.nat(3 * 24 * 60),
    length: fc.integer({ min: 1, max: 4 * 24 * 60 }),
    disorderMs: fc.constantFrom(0, 5 * minute),
    lateShare: fc.constantFrom(0, 0.2),
    duplicateShare: fc.constantFrom(0, 0.2),
    seed: fc.nat(1000),
  })
  .map(
    ({ from, length, ...injections }): ReplaySegment => ({
      from: fixtureStart + from * minute,
      to: fixtureStart + (from + length) * minute,
      latenessMs,
      injections: { ...noInjections, ...injections },
    }),
  );

const properties = (check: (flights: FlightSource, segment: ReplaySegment) => Promise<void>) =>
  fc.assert(
    fc.asyncProperty(flightsOf, segmentOf, (flights, segment) =>
      check(fixtureFlights(flights, 4), segment),
    ),
    { numRuns: 60 },
  );

test("each flight of the range is sent once in each topic, whatever its time zone", () =>
  fc.assert(
    fc.asyncProperty(flightsOf, segmentOf, async (flights, { from, to }) => {
      const plain = { from, to, latenessMs, injections: noInjections };
      const { records } = await sent(fixtureFlights(flights, 4), plain);
      const departed = flights.map((each) => fixtureStart + each.local - each.zone * 60 * minute);
      const arrived = flights.map(
        (each, at) =>
          (departed[at] as number) + Math.round((30 + (each.distance ?? 0) / 7.5) * minute),
      );
      const inside = [...departed, ...arrived].filter((time) => time >= from && time < to);
      assert.deepEqual(
        records.map((record) => record.eventTime),
        inside.sort((a, b) => a - b),
      );
      assert.equal(new Set(records.map(({ topic, id }) => `${topic}/${id}`)).size, records.length);
    }),
    { numRuns: 60 },
  ));

test("a replay resumed before any step sends the same rest", () =>
  properties(async (flights, segment) => {
    const whole = await sent(flights, segment);
    for (const at of [0, Math.floor(whole.nexts.length / 2), whole.nexts.length - 2]) {
      const next = whole.nexts[at];
      if (next === null || next === undefined) continue;
      const rest = await sent(flights, segment, next);
      const plain = (records: Sent[]) => records.map(({ step, watermark, ...record }) => record);
      assert.deepEqual(plain(rest.records), plain(whole.records.filter(({ step }) => step > at)));
      assert.deepEqual(rest.watermarks, whole.watermarks.slice(at + 1));
    }
  }));

test("a watermark is never passed by a record that is not meant to be late, and never falls", () =>
  properties(async (flights, segment) => {
    const { records, watermarks, nexts } = await sent(flights, segment);
    for (const record of records) {
      if (!record.late) assert.ok(record.eventTime >= record.watermark);
    }
    assert.deepEqual(
      watermarks,
      [...watermarks].sort((a, b) => a - b),
    );
    assert.equal(watermarks.at(-1), segment.to);
    assert.equal(nexts.at(-1), null);
  }));

test("exactly the chosen records are late where they are sent", () =>
  properties(async (flights, segment) => {
    const { records } = await sent(flights, segment);
    const streamTimes = new Map<string, number>();
    for (const record of records) {
      const place = `${record.topic}/${partitionOf(String(record.id), 4)}`;
      const streamTime = Math.max(streamTimes.get(place) ?? 0, record.watermark);
      assert.equal(record.eventTime < streamTime - latenessMs, record.late);
      if (!record.late) streamTimes.set(place, Math.max(streamTime, record.eventTime));
    }
  }));

test("a range replayed in two stretches holds the flights of the whole", () =>
  properties(async (flights, segment) => {
    const middle = Math.floor((segment.from + segment.to) / 2);
    const ids = ({ records }: { records: Sent[] }) =>
      records.map(({ topic, id, copy }) => `${topic}/${id}/${copy}`).sort();
    const first = await sent(flights, { ...segment, to: middle });
    const second = await sent(flights, { ...segment, from: middle });
    const whole = await sent(flights, segment);
    assert.deepEqual([...ids(first), ...ids(second)].sort(), ids(whole));
  }));

test("disorder stays within its bound and duplicates are the declared share", async () => {
  const many = Array.from({ length: 20_000 }, (_, at) => ({ local: at * 10_000, zone: -5 }));
  const injections = { ...noInjections, disorderMs: 5 * minute, duplicateShare: 0.01 };
  const range = { from: fixtureStart, to: fixtureStart + 4 * day, latenessMs, injections };
  const { records } = await sent(fixtureFlights(many, 4), range);
  let newest = 0;
  let furthest = 0;
  for (const { eventTime } of records) {
    newest = Math.max(newest, eventTime);
    furthest = Math.max(furthest, newest - eventTime);
  }
  assert.ok(furthest > 4 * minute && furthest < 5 * minute, `${furthest}`);
  const duplicates = records.filter(({ copy }) => copy === 1).length;
  assert.ok(Math.abs(duplicates - 400) < 80, `${duplicates}`);
});
