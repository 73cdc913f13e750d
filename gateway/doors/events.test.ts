import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { EventIngest } from "../../runtime/ingest/event-ingest.ts";
import { type IngestWorld, ingestWorld } from "../../runtime/ingest/ingest-fixture.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { ask, openTestGateway, type Payment, plan, posting } from "../gateway-fixture.ts";
import type { Gateway } from "../open-gateway.ts";
import { eventDoor } from "./events.ts";

const now = Date.UTC(2026, 0, 5);
let world: IngestWorld;
let ingest: EventIngest;
let gateway: Gateway;

before(async () => {
  world = await ingestWorld(plan);
  ingest = new EventIngest([plan], world, { now: () => now, waitingBytes: 100_000 });
  gateway = await openTestGateway([eventDoor(ingest)]);
});
after(async () => {
  await gateway.close();
  await ingest.close();
  await world.broker.close();
});

let last = 0;
function payment(more: Partial<Record<keyof Payment, unknown>> = {}): Record<string, unknown> {
  const own: Record<string, unknown> = {
    paymentId: `p${++last}`,
    paidAt: now - 1_000,
    card: "4711",
    terminal: "t1",
  };
  return { ...own, cents: 5, ...more };
}

async function send(body: unknown, headers: Record<string, string> = {}, topic = "payments") {
  return await ask(`${gateway.url}/v1/events/${topic}`, posting(body, headers));
}

test("an event stands in its topic, in the source's format, where the answer says", async () => {
  const event = payment({ cents: "9007199254740993", paidAt: "2026-01-04T23:59:59.5Z" });
  const { status, body } = await send(event);
  assert.equal(status, 202, JSON.stringify(body));
  const found = (await world.read("payments")).find(({ key }) => key === event["paymentId"]);
  assert.deepEqual(body, { topic: "payments", partition: found?.partition, offset: found?.offset });
  assert.equal(found?.partition, partitionOf(String(event["paymentId"]), plan.partitions));
  assert.equal(found?.timestamp, now - 500);
  const { paymentId, card, terminal } = event as unknown as Payment;
  const rest = { paymentId, card, terminal, note: null };
  assert.deepEqual(found?.value, { ...rest, paidAt: now - 500, cents: 9_007_199_254_740_993n });
});

test("what does not fit the schema is refused with its field, and is not written", async () => {
  const before = (await world.read("payments")).length;
  const refusal = async (event: unknown) => {
    const { status, body } = await send(event);
    assert.deepEqual([status, body["code"], body["where"]], [422, "EVENT_REFUSED", "body"]);
    return String(body["message"]);
  };
  assert.match(await refusal(payment({ card: 4711 })), /card is 4711, not a text/);
  assert.match(await refusal({ card: "1" }), /paymentId is missing; paidAt is missing/);
  assert.match(await refusal({ ...payment(), cards: "1" }), /"cards" is no field.*mean card/);
  const odd = Object.fromEntries([...Object.entries(payment()), ["__proto__", 1]]);
  assert.match(await refusal(odd), /"__proto__" is no field/);
  assert.match(await refusal(payment({ paidAt: 0 })), /paidAt: .*event time is missing/);
  const ahead = payment({ paidAt: now + 3_600_001 });
  assert.match(
    await refusal(ahead),
    /paidAt: .* lies too far ahead,.* more than 1h beyond the clock/,
  );
  assert.match(await refusal(payment({ paymentId: "x".repeat(1_025) })), /more than 1024 bytes/);
  assert.equal((await world.read("payments")).length, before);
});

test("topics that are no source are refused, and a gateway of a replay takes nothing", async () => {
  const other = await send(payment(), {}, "paymnts");
  assert.deepEqual([other.status, other.body["code"]], [404, "EVENT_TOPIC_UNKNOWN"]);
  assert.match(String(other.body["message"]), /did you mean payments/);
  assert.equal((await send(payment(), {}, "shop.cards%401.rows")).status, 404);
  // As long as a topic of Kafka may be called.
  const long = await send(payment(), {}, "t".repeat(249));
  assert.deepEqual([long.status, long.body["code"]], [404, "EVENT_TOPIC_UNKNOWN"]);
  const replay = await openTestGateway([eventDoor(null)]);
  const closed = await ask(`${replay.url}/v1/events/payments`, posting(payment()));
  assert.deepEqual([closed.status, closed.body["code"]], [409, "EVENTS_CLOSED"]);
  await replay.close();
});

async function refusedEvents(): Promise<number> {
  const counted = await gateway.metrics.registry.metrics();
  return Number(/errors_total\{code="EVENT_REFUSED"\} (\d+)/.exec(counted)?.[1] ?? 0);
}

test("of a batch each event has a result; those that fit stand", async () => {
  const [one, two] = [payment(), payment()];
  const before = await refusedEvents();
  const mixed = await send([one, { paidAt: 1 }, two]);
  const results = mixed.body["results"] as Record<string, unknown>[];
  assert.deepEqual([mixed.status, mixed.body["accepted"], mixed.body["refused"]], [207, 2, 1]);
  assert.equal((await refusedEvents()) - before, 1, "they are counted one by one");
  assert.deepEqual(
    results.map(({ index, code = null }) => [index, code]),
    [
      [0, null],
      [1, "EVENT_REFUSED"],
      [2, null],
    ],
  );
  const lines = [payment(), payment()].map((each) => JSON.stringify(each)).join("\n");
  const type = { "content-type": "application/x-ndjson" };
  const url = `${gateway.url}/v1/events/payments`;
  const all = await ask(url, posting(`${lines}\n`, type));
  assert.deepEqual([all.status, all.body["accepted"]], [202, 2]);
  const broken = await ask(url, posting(`${lines}\n{`, type));
  assert.deepEqual([broken.status, broken.body["where"]], [400, "body, line 3"]);
  assert.equal((await send([{}, {}])).status, 422);
  assert.equal((await send([])).status, 400);
});

test("the answer comes only once the broker has acknowledged; what gathers meanwhile goes together", async () => {
  let acknowledge = () => {};
  let reached = () => {};
  const held = new Promise<void>((resolve) => {
    reached = resolve;
  });
  world.hold = () => {
    reached();
    return new Promise((resolve) => {
      acknowledge = resolve;
    });
  };
  let answered = false;
  const first = send(payment()).then((answer) => {
    answered = true;
    return answer;
  });
  await held;
  const before = world.sends.length;
  const others = Array.from({ length: 20 }, () => ingest.put("payments", [payment()]));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(answered, false);
  world.hold = async () => {};
  acknowledge();
  assert.equal((await first).status, 202);
  await Promise.all(others);
  const sent = world.sends.slice(before);
  assert.deepEqual([sent.length, sent.flat().reduce((sum, count) => sum + count, 0)], [1, 20]);
});

test("more than may wait for Kafka is refused, all of it, and can be sent again", async () => {
  const before = (await world.read("payments")).length;
  const large = Array.from({ length: 60 }, () => payment({ note: "x".repeat(2_000) }));
  await assert.rejects(ingest.put("payments", large), { code: "GATEWAY_BUSY" });
  assert.equal((await world.read("payments")).length, before);
  for (const event of large) await ingest.put("payments", [event]);
  assert.equal((await world.read("payments")).length, before + large.length);
});

test("a broker that fails is told, and the next event goes through", async () => {
  world.hold = () => Promise.reject(new Error("gone"));
  const failed = await send(payment());
  assert.deepEqual([failed.status, failed.body["code"]], [500, "REQUEST_FAILED"]);
  world.hold = async () => {};
  assert.equal((await send(payment())).status, 202);
});

test("the same idempotency key writes once; with another body it is a conflict", async () => {
  const event = payment();
  const headers = { "idempotency-key": "k-1" };
  const both = await Promise.all([send(event, headers), send(event, headers)]);
  const again = await send(event, headers);
  for (const { status, body } of [...both, again]) {
    assert.deepEqual([status, body], [202, both[0]?.body]);
  }
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  const written = (await world.read("payments")).filter(({ key }) => key === event["paymentId"]);
  assert.equal(written.length, 1);
  const other = await send(payment(), headers);
  assert.deepEqual([other.status, other.body["code"]], [409, "IDEMPOTENCY_CONFLICT"]);
  const refused = await send({ nonsense: 1 }, { "idempotency-key": "k-2" });
  assert.equal(refused.status, 422);
  assert.equal(
    (await send(payment(), { "idempotency-key": "k-2" })).status,
    202,
    "it failed before",
  );
  assert.equal((await send(payment(), { "idempotency-key": "a b" })).status, 400);
});

test("whatever is sent, the answer is of the request's making, and what is accepted can be read", async () => {
  const wild = fc.record(
    {
      paymentId: fc.oneof(fc.string(), fc.jsonValue()),
      paidAt: fc.oneof(fc.integer({ min: 1, max: now }), fc.jsonValue(), fc.string()),
      card: fc.oneof(fc.string(), fc.constant("\ud800"), fc.jsonValue()),
      terminal: fc.string(),
      cents: fc.oneof(fc.integer(), fc.double(), fc.bigInt().map(String)),
      note: fc.oneof(fc.constant(null), fc.string()),
    },
    { requiredKeys: ["paymentId"] },
  );
  const bodies = fc.oneof(
    fc.json(),
    fc.string(),
    fc.oneof(wild, fc.array(wild)).map((each) => JSON.stringify(each)),
  );
  let accepted = (await world.read("payments")).length;
  await fc.assert(
    fc.asyncProperty(bodies, async (text) => {
      const { status, body } = await send(text);
      assert.ok([202, 207, 400, 422].includes(status), `${status} ${JSON.stringify(body)}`);
      accepted += status === 400 || body["code"] !== undefined ? 0 : Number(body["accepted"] ?? 1);
    }),
    { numRuns: 400 },
  );
  assert.equal((await world.read("payments")).length, accepted);
});
