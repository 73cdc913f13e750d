import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AirportClocks } from "./airport-clocks.ts";
import { zonesOfAirports } from "./airport-zones-fixture.ts";
import { fileEnd, fileStart, flightFiles, readAirports, splitCsv } from "./flights-file.ts";
import { ZoneClock } from "./zone-clock.ts";

const start = Date.UTC(2000, 11, 1);
const end = Date.UTC(2002, 0, 1);
const newYork = new ZoneClock("America/New_York", start, end);
const at = (text: string) => Date.parse(`${text}Z`);

test("winter and summer time of New York are five and four hours behind UTC", () => {
  assert.equal(newYork.toUtc(at("2001-01-15T12:00")), at("2001-01-15T17:00"));
  assert.equal(newYork.toUtc(at("2001-06-15T12:00")), at("2001-06-15T16:00"));
});

test("summer time begins on 1 April 2001 at 2 o'clock to the millisecond", () => {
  assert.equal(newYork.toUtc(at("2001-04-01T01:59:59.999")), at("2001-04-01T06:59:59.999"));
  assert.equal(newYork.toUtc(at("2001-04-01T03:00")), at("2001-04-01T07:00"));
});

test("a skipped local time is read with the offset before the change", () => {
  assert.equal(newYork.toUtc(at("2001-04-01T02:30")), at("2001-04-01T07:30"));
});

test("a local time that comes twice is the first of the two", () => {
  assert.equal(newYork.toUtc(at("2001-10-28T01:30")), at("2001-10-28T05:30"));
  assert.equal(newYork.toUtc(at("2001-10-28T02:00")), at("2001-10-28T07:00"));
});

test("Arizona keeps its time all the year", () => {
  const phoenix = new ZoneClock("America/Phoenix", start, end);
  assert.equal(phoenix.toUtc(at("2001-01-15T12:00")), at("2001-01-15T19:00"));
  assert.equal(phoenix.toUtc(at("2001-06-15T12:00")), at("2001-06-15T19:00"));
});

test("an instant comes back from its local time unless the clock shows that time twice", () => {
  const zones = ["America/New_York", "America/Anchorage", "Pacific/Honolulu", "Europe/London"];
  const clocks = zones.map((zone) => new ZoneClock(zone, start, end));
  const instant = fc.integer({ min: start, max: end - 1 });
  fc.assert(
    fc.property(fc.nat(zones.length - 1), instant, (index, utc) => {
      const clock = clocks[index] as ZoneClock;
      const back = clock.toUtc(clock.toLocal(utc));
      assert.ok(back === utc || back === utc - 3_600_000, `${zones[index]} ${utc} ${back}`);
    }),
  );
});

test("every airport of the list has a time zone that the clock knows", () => {
  const airports = readAirports(flightFiles().airports);
  const clocks = new AirportClocks(airports);
  assert.ok(airports.length > 3000);
  for (const iata of ["JFK", "ORD", "DEN", "PHX", "LAX", "ANC", "HNL", "SJU"]) clocks.of(iata);
  assert.equal(clocks.zoneOf("JFK"), "America/New_York");
  assert.equal(clocks.zoneOf("PHX"), "America/Phoenix");
  assert.throws(() => clocks.of("???"), /The airport "\?\?\?"/);
});

test("each of the 229 airports keeps the time that a second source gives it", () => {
  const clocks = new AirportClocks(readAirports(flightFiles().airports));
  let airports = 0;
  for (const [zone, codes] of Object.entries(zonesOfAirports)) {
    const expected = new ZoneClock(zone, fileStart, fileEnd);
    for (const iata of codes.split(" ")) {
      airports++;
      for (let utc = fileStart; utc < fileEnd; utc += 3_600_000) {
        assert.equal(clocks.of(iata).offsetAt(utc), expected.offsetAt(utc), `${iata} at ${utc}`);
      }
    }
  }
  assert.equal(airports, 229);
});

test("a quoted cell may hold commas and quotes", () => {
  assert.deepEqual(splitCsv('a,"b, ""c""",,d'), ["a", 'b, "c"', "", "d"]);
});
