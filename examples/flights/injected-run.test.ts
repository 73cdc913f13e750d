/** What injections do to a run of the whole topology, record by record, in memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type TopologyDriver, topologyDriver } from "../../testing/topology-driver.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { flightsLatenessMs as latenessMs } from "./check-settings.ts";
import { fixtureFlights, fixtureStart } from "./flight-fixture.ts";
import { parseInjections } from "./injections.ts";
import { departureKind, replaySteps, type StepEvents } from "./replay-steps.ts";
import { draw, purposes } from "./seeded.ts";

const hour = 3_600_000;
const from = fixtureStart + 5 * hour;
const to = fixtureStart + 17 * hour;
const seed = 11;

/** Between three airports, one a minute and a half; all of them lie five hours behind UTC. */
const made = Array.from({ length: 480 }, (_, index) => ({
  ...{ local: index * 90_000, zone: -5, delay: (index * 37) % 60 },
  ...{ origin: ["AAA", "CCC", "DDD"][index % 3] as string, distance: 200 + (index % 7) * 100 },
}));

interface Event {
  readonly topic: string;
  readonly id: number;
  readonly copy: number;
  readonly eventTime: number;
  readonly origin: string;
}

/** Runs the topology over what a replay with the injections sends; returns that too. */
async function injectedRun(
  ...inject: string[]
): Promise<{ driver: TopologyDriver; sent: readonly Event[] }> {
  const driver = topologyDriver(plan);
  const sent: Event[] = [];
  const injections = parseInjections(inject, seed, latenessMs);
  const segment = { from, to, injections, latenessMs };
  const source = fixtureFlights(made, 1);
  for await (const { events, watermark } of replaySteps(source, segment, -Infinity)) {
    for (const at of events.blocks.keys()) sent.push(send(driver, events, at));
    await driver.advanceTo(watermark);
  }
  return { driver, sent };
}

function send(driver: TopologyDriver, events: StepEvents, at: number): Event {
  const [block, row] = [events.blocks[at], events.rows[at] as number];
  assert.ok(block !== undefined);
  const isDeparture = events.kinds[at] === departureKind;
  const topic = isDeparture ? "flights.departures" : "flights.arrivals";
  const flightId = block.flightId[row] as number;
  const [origin, destination] = [block.origin[row] as string, block.destination[row] as string];
  const departedAt = block.departedAt[row] as number;
  const arrivedAt = block.arrivedAt[row] as number;
  const common = { flightId, origin, destination };
  driver
    .input(topic)
    .send(
      isDeparture
        ? { ...common, departedAt, distanceMiles: 500, localHour: 1, localWeekday: 1 }
        : { ...common, arrivedAt, delayMinutes: block.delayMinutes[row] as number },
    );
  const eventTime = isDeparture ? departedAt : arrivedAt;
  return { topic, id: flightId, copy: events.copies[at] as number, eventTime, origin };
}

const text = (value: unknown) => Buffer.from(value as Uint8Array | string).toString();

/** `topic/flightId` of the rows of `late_records`. */
async function lateRecords(driver: TopologyDriver): Promise<string[]> {
  const rows = await driver.offline("late_records");
  return rows.map((row) => `${text(row["source"])}/${text(row["key"])}`).sort();
}

async function total(driver: TopologyDriver, branch: string, of: "in" | "processed" | "filtered") {
  const accounts = await driver.accounting();
  return accounts
    .filter((account) => account.branch === branch)
    .reduce((sum, account) => sum + account[of], 0);
}

test("late:10%: the flights drawn for it, and no others, end in late_records and have no effect", async () => {
  const { driver, sent } = await injectedRun("late:10%");
  const isDrawn = ({ topic, id, eventTime }: Event) =>
    eventTime < to - latenessMs &&
    draw(seed, purposes.late, topic === "flights.departures" ? 0 : 1, id) < 0.1;
  const drawn = sent.filter(isDrawn);
  assert.ok(drawn.length > 40 && drawn.length < sent.length / 5, `${drawn.length}`);
  assert.deepEqual(
    await lateRecords(driver),
    drawn.map(({ topic, id }) => `${topic}/${id}`).sort(),
  );
  const predicted = await driver.output("flights.predictions").drain();
  const expected = sent.filter((each) => each.topic === "flights.departures" && !isDrawn(each));
  assert.deepEqual(
    predicted.map(({ key }) => Number(key)).sort((a, b) => a - b),
    expected.map(({ id }) => id).sort((a, b) => a - b),
  );
  await driver.close();
});

test("disorder:5m alone sends records out of order and makes none of them late", async () => {
  const { driver, sent } = await injectedRun("disorder:5m");
  const disordered = sent.filter(({ eventTime }, at) => eventTime < (sent[at - 1]?.eventTime ?? 0));
  assert.ok(disordered.length > 100, `${disordered.length}`);
  assert.deepEqual(await lateRecords(driver), []);
  const departures = sent.filter(({ topic }) => topic === "flights.departures").length;
  assert.equal(await total(driver, "predictions", "processed"), departures);
  await driver.close();
});

test("duplicates:10%: features count both copies, scoring filters the second departure", async () => {
  const { driver, sent } = await injectedRun("duplicates:10%");
  const departures = sent.filter(({ topic }) => topic === "flights.departures");
  const arrivals = sent.filter(({ topic }) => topic === "flights.arrivals");
  const copies = departures.filter(({ copy }) => copy === 1);
  assert.ok(copies.length > 20 && arrivals.some(({ copy }) => copy === 1));
  assert.equal(await total(driver, "predictions", "in"), departures.length);
  assert.equal(await total(driver, "predictions", "filtered"), copies.length);
  const predicted = await driver.output("flights.predictions").drain();
  assert.deepEqual(
    predicted.map(({ key }) => Number(key)).sort((a, b) => a - b),
    [...new Set(departures.map(({ id }) => id))].sort((a, b) => a - b),
  );
  for (const origin of ["AAA", "CCC", "DDD"]) {
    const from = arrivals.filter((each) => each.origin === origin).length;
    const { features } = await driver.online("origin_delays@1", origin);
    assert.equal(features["flights_24h"], from, origin);
    const lately = departures.filter(
      (each) => each.origin === origin && each.eventTime >= to - 3 * hour,
    ).length;
    const traffic = await driver.online("origin_traffic@1", origin);
    assert.equal(traffic.features["departures_3h"], lately, origin);
  }
  assert.deepEqual(await lateRecords(driver), []);
  await driver.close();
});
