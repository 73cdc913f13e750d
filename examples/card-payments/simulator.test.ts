import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dispute, Payment } from "./schemas/generated.ts";
import { simulated, start } from "./simulator.ts";

const dayMs = 86_400_000;

/** All that is simulated, by topic. */
function eventsOf(simulation: Parameters<typeof simulated>[0]) {
  const events = [...simulated(simulation)];
  const of = <T>(topic: string) =>
    events.filter((event) => event.topic === topic).map(({ value }) => value as T);
  return { events, payments: of<Payment>("payments"), disputes: of<Dispute>("disputes") };
}

const { events, payments, disputes } = eventsOf({ customers: 1_000, days: 60, seed: 1 });

test("events come in the order of their times, the same ones for a seed, and a prefix for fewer days", () => {
  assert.ok(events.every(({ at }, index) => index === 0 || at >= (events[index - 1]?.at ?? 0)));
  const fewer = eventsOf({ customers: 1_000, days: 7, seed: 1 }).events;
  assert.deepEqual(fewer, events.slice(0, fewer.length));
  assert.ok((events[fewer.length]?.at ?? 0) >= start + 7 * dayMs);
  const other = eventsOf({ customers: 1_000, days: 7, seed: 2 }).events;
  assert.notDeepEqual(other.slice(0, 10), events.slice(0, 10));
});

test("customers pay twice a day or so, in mean some 50, and the ids of payments are their own", () => {
  const aDay = payments.length / 1_000 / 60;
  assert.ok(aDay > 1.8 && aDay < 2.1, `${aDay} a day`);
  const mean = payments.reduce((sum, { amount }) => sum + amount, 0) / payments.length;
  assert.ok(mean > 45 && mean < 60, `${mean} in mean`);
  assert.equal(new Set(payments.map(({ paymentId }) => paymentId)).size, payments.length);
});

test("about a percent is fraud, disputed one to six days later, and each payment once", () => {
  const paid = new Map(payments.map((payment) => [payment.paymentId, payment]));
  for (const { paymentId, disputedAt, terminal } of disputes) {
    const payment = paid.get(paymentId);
    const days = (disputedAt - (payment?.paidAt ?? 0)) / dayMs;
    assert.ok(days >= 1 && days < 6, `${days} days`);
    assert.equal(terminal, payment?.terminal);
  }
  assert.equal(new Set(disputes.map(({ paymentId }) => paymentId)).size, disputes.length);
  const share = disputes.length / payments.length;
  assert.ok(share > 0.006 && share < 0.012, `${share} of payments`);
});

test("at a compromised terminal everything is fraud, for four weeks", () => {
  const disputed = new Set(disputes.map(({ paymentId }) => paymentId));
  const early = payments.filter(({ paidAt }) => paidAt < start + 50 * dayMs);
  const byTerminal = new Map<string, Payment[]>();
  for (const payment of early) {
    const all = byTerminal.get(payment.terminal) ?? [];
    byTerminal.set(payment.terminal, all);
    all.push(payment);
  }
  const runs = [...byTerminal.values()].map((all) => {
    const flags = all.map(({ paymentId }) => disputed.has(paymentId));
    const first = flags.indexOf(true);
    const length = flags.slice(first).indexOf(false);
    return first < 0 || length < 10 ? null : { first, length, all };
  });
  const long = runs.filter((run) => run !== null);
  assert.ok(long.length > 5, `${long.length} terminals`);
  for (const { first, length, all } of long) {
    const days = ((all[first + length - 1]?.paidAt ?? 0) - (all[first]?.paidAt ?? 0)) / dayMs;
    assert.ok(days < 57, `${days} days`);
  }
});
