import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { withinMs } from "./loop-fixture.ts";
import { arrival, departure, model, run, tally } from "./scoring-fixture.ts";

type Event =
  | {
      readonly kind: "departure";
      readonly id: number;
      readonly at: number;
      readonly writer: number;
    }
  | {
      readonly kind: "arrival";
      readonly id: number;
      readonly at: number;
      readonly writer: number;
      readonly label: number;
    };

/** From the definitions, with lists and searches alone. */
function oracle(events: readonly Event[], until: number) {
  const order = { departure: 0, arrival: 1 };
  const merged = events
    .map((event, i) => ({ event, i }))
    .sort(
      (a, b) => a.event.at - b.event.at || order[a.event.kind] - order[b.event.kind] || a.i - b.i,
    )
    .map(({ event }) => event);
  const accepted: { id: number; q: number; outcome: string | null }[] = [];
  const waiting: { id: number; at: number; label: number; used: boolean }[] = [];
  let duplicates = 0;
  let joined = 0;
  for (const event of merged) {
    if (event.kind === "departure") {
      const q = event.at;
      if (accepted.some((each) => each.id === event.id && q <= each.q + withinMs)) {
        duplicates++;
        continue;
      }
      const early = waiting.find(
        (each) => each.id === event.id && !each.used && q <= each.at + withinMs,
      );
      if (early) {
        early.used = true;
        joined++;
      }
      accepted.push({ id: event.id, q, outcome: early ? `${q} ${early.label === 1}` : null });
      continue;
    }
    if (Number.isNaN(event.label)) continue;
    const open = accepted.find(
      (each) => each.id === event.id && each.outcome === null && event.at < each.q + withinMs,
    );
    if (open) {
      open.outcome = `${event.at} ${event.label === 1}`;
      joined++;
    } else if (
      !accepted.some((each) => each.id === event.id && event.at <= each.q + 2 * withinMs) &&
      !waiting.some((each) => each.id === event.id && !each.used && event.at <= each.at + withinMs)
    ) {
      waiting.push({ id: event.id, at: event.at, label: event.label, used: false });
    }
  }
  const outcomes = accepted.flatMap(({ id, q, outcome }) => {
    if (outcome !== null) return [`${id} ${q} ${outcome}`];
    return q + withinMs < until ? [`${id} ${q} ${q + withinMs} null`] : [];
  });
  return { predictions: accepted.map(({ id, q }) => `${id} ${q}`), outcomes, duplicates, joined };
}

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    kind: fc.constant("departure" as const),
    id: fc.integer({ min: 1, max: 5 }),
    at: fc.integer({ min: 0, max: 80 }).map((step) => step * 10),
    writer: fc.integer({ min: 0, max: 2 }),
  }),
  fc.record({
    kind: fc.constant("arrival" as const),
    id: fc.integer({ min: 1, max: 5 }),
    at: fc.integer({ min: 0, max: 80 }).map((step) => step * 10),
    writer: fc.integer({ min: 0, max: 2 }),
    label: fc.constantFrom(0, 1, 1, Number.NaN),
  }),
);

test("predictions, outcomes and counters equal a naive join, however work is cut and restored", () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 60 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 8, maxLength: 20 }),
      fc.integer({ min: 0, max: 100 }).map((step) => step * 10),
      (events, chances, extra) => {
        const until = 801 + extra;
        const records = [
          model("v1", 250),
          model("v2", 500),
          ...events.flatMap((each) =>
            each.kind === "departure"
              ? departure(each.id, each.at, each.writer)
              : [arrival(each.id, each.at, each.label, each.writer)],
          ),
        ];
        let drawn = 0;
        const result = run(records, until, () => chances[drawn++ % chances.length] as number);
        const expected = oracle(events, until);
        assert.deepEqual(
          result.predictions.map(({ flightId, knownAt }) => `${flightId} ${knownAt}`),
          expected.predictions,
        );
        assert.deepEqual(
          result.outcomes
            .map((each) => `${each.flightId} ${each.predictedAt} ${each.knownAt} ${each.label}`)
            .sort(),
          expected.outcomes.sort(),
        );
        const probabilityOf = (id: number, q: number) => {
          if (q <= 250) return 0.25;
          return (id % 7) / 10 + (q <= 500 ? 1 : 2) / 1000;
        };
        for (const each of result.predictions) {
          assert.equal(each.probability, probabilityOf(each.flightId, each.knownAt));
          assert.equal(each.features["origin_flights_3h"], each.knownAt);
        }
        for (const each of result.outcomes) {
          assert.equal(each.probability, probabilityOf(each.flightId, each.predictedAt));
        }
        const total = (branch: string) =>
          [0, 1, 2].reduce(
            (sum, partition) => {
              const [processed, filtered] = tally(result, branch, partition);
              return [(sum[0] as number) + (processed ?? 0), (sum[1] as number) + (filtered ?? 0)];
            },
            [0, 0],
          );
        const arrivals = events.filter(({ kind }) => kind === "arrival").length;
        assert.deepEqual(total("predictions"), [expected.predictions.length, expected.duplicates]);
        assert.deepEqual(total("outcomes"), [expected.joined, arrivals - expected.joined]);
      },
    ),
    { numRuns: 120 },
  );
});
