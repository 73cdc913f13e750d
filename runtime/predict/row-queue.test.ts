/** Requests that wait, at times that the test says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../processors/train/seeded-random-fixture.ts";
import { type Lane, laneAgeMs, lanes, type Queued, RowQueue } from "./row-queue.ts";

interface Request extends Queued {
  readonly id: number;
}

const limits = { rows: 8, bytes: 1_000, delayMs: 10 };
let ids = 0;

function request(given: Partial<Request> = {}): Request {
  const never = Number.POSITIVE_INFINITY;
  const { rows = 1 } = given;
  const usual = { key: "a", rows, bytes: rows * 8, since: 0, deadlineAt: never, ...given };
  return { id: ids++, lane: "normal", ...usual };
}

const idsOf = (taken: readonly Request[]) => taken.map(({ id }) => id);

test("a batch is due when it is full, after its delay, or as long before a deadline as it needs", () => {
  const queue = new RowQueue<Request>(limits);
  assert.equal(queue.dueAt(), Number.POSITIVE_INFINITY);
  queue.add(request({ since: 5 }));
  assert.equal(queue.dueAt(), 15);
  assert.deepEqual(queue.take(14.9), []);
  const urgent = request({ since: 6, deadlineAt: 12 });
  queue.add(urgent);
  assert.equal(queue.dueAt(), 12, "nothing is known of the time of a batch");
  for (let batch = 0; batch < 100; batch++) queue.took("a", 4);
  assert.ok(Math.abs(queue.dueAt() - 8) < 1e-6, String(queue.dueAt()));
  assert.equal(queue.remove(urgent), true);
  assert.equal(queue.remove(urgent), false);
  assert.equal(queue.dueAt(), 15);
  queue.add(request({ since: 7, rows: 7 }));
  assert.equal(queue.dueAt(), Number.NEGATIVE_INFINITY);
  assert.equal(queue.take(7).length, 2);
  queue.add(request({ since: 8, bytes: 1_000 }));
  assert.equal(queue.dueAt(), Number.NEGATIVE_INFINITY, "full by bytes");
});

test("keys do not fill each other's batches, and the most urgent one that is due goes first", () => {
  const queue = new RowQueue<Request>(limits);
  const low = request({ key: "b", lane: "low", since: 0, rows: 8 });
  const normal = request({ key: "a", since: 1, rows: 4 });
  const high = request({ key: "c", lane: "high", since: 2, rows: 4 });
  for (const each of [low, normal, high]) queue.add(each);
  assert.deepEqual(idsOf(queue.take(3)), [low.id], "the others are neither full nor old");
  queue.add({ ...low, since: 3 });
  assert.deepEqual(idsOf(queue.take(12)), [high.id]);
  assert.deepEqual(idsOf(queue.take(12)), [normal.id]);
  assert.equal(queue.rows, 8);
});

test("a lane goes before the next one, but what has waited long enough before younger ones", () => {
  const queue = new RowQueue<Request>({ ...limits, rows: 2 });
  const [first, second] = [request({ lane: "low" }), request({ lane: "low", since: 1 })];
  const high = (since: number) => request({ lane: "high", since });
  queue.add(first);
  queue.add(second);
  const early = [high(2), high(3)];
  for (const each of early) queue.add(each);
  assert.deepEqual(idsOf(queue.take(4)), idsOf(early));
  const later = [high(2 * laneAgeMs), high(2 * laneAgeMs)];
  for (const each of later) queue.add(each);
  assert.deepEqual(idsOf(queue.take(2 * laneAgeMs)), [first.id, second.id]);
  assert.deepEqual(idsOf(queue.take(2 * laneAgeMs)), idsOf(later));
});

test("what goes for another is the oldest of the last lane, and never of one before", () => {
  const queue = new RowQueue<Request>(limits);
  const normal = request({ since: 2 });
  queue.add(request({ lane: "high", since: 1 }));
  queue.add(normal);
  queue.add(request({ key: "b", since: 3 }));
  assert.equal(queue.lastOf("low"), null);
  assert.equal(queue.lastOf("normal"), normal);
  assert.equal(queue.lastOf("high"), normal);
});

/** What the queue is by its definition: a list. */
class NaiveQueue {
  all: Request[] = [];
  readonly #batchMs = new Map<string, number>();

  took(key: string, ms: number): void {
    const before = this.#batchMs.get(key) ?? 0;
    this.#batchMs.set(key, before + 0.2 * (ms - before));
  }

  dueAt(key: string): number {
    const own = this.all.filter((each) => each.key === key);
    const sum = (name: "rows" | "bytes") => own.reduce((all, each) => all + each[name], 0);
    if (sum("rows") >= limits.rows || sum("bytes") >= limits.bytes) return -Infinity;
    const batchMs = this.#batchMs.get(key) ?? 0;
    const dues = own.map(({ since, deadlineAt }) =>
      Math.min(since + limits.delayMs, deadlineAt - batchMs),
    );
    return Math.min(...dues);
  }

  take(now: number): Request[] {
    const rank = ({ lane, since }: Request) =>
      Math.max(0, lanes.indexOf(lane as Lane) - Math.floor((now - since) / laneAgeMs));
    const order = (a: Request, b: Request) => rank(a) - rank(b) || a.since - b.since;
    const [best] = this.all.filter(({ key }) => this.dueAt(key) <= now).sort(order);
    const own = this.all.filter(({ key }) => key === best?.key);
    // Lanes in the order of their oldest, each from its oldest on.
    const heads = lanes.flatMap((lane) => own.find((each) => each.lane === lane) ?? []).sort(order);
    const inOrder = heads.flatMap(({ lane }) => own.filter((each) => each.lane === lane));
    const taken: Request[] = [];
    let [rows, bytes] = [0, 0];
    for (const each of inOrder) {
      rows += each.rows;
      bytes += each.bytes;
      if (taken.length > 0 && (rows > limits.rows || bytes > limits.bytes)) break;
      taken.push(each);
    }
    this.all = this.all.filter((each) => !taken.includes(each));
    return taken;
  }
}

test("the queue does what a list does that is looked through each time", () => {
  const random = seededRandom("queues");
  for (let round = 0; round < 60; round++) {
    const [queue, naive] = [new RowQueue<Request>(limits), new NaiveQueue()];
    let now = 0;
    for (let step = 0; step < 150; step++) {
      // No two of one age, so that there is one order.
      now += 0.25 + random(40) / 4;
      const choice = random(10);
      const key = ["a", "b", "c"][random(3)] as string;
      if (choice < 6) {
        const lane = lanes[random(3)] as Lane;
        const deadlineAt = random(2) === 0 ? now + random(30) : Number.POSITIVE_INFINITY;
        const rows = 1 + random(5);
        const each = request({ key, lane, rows, bytes: rows * 90, since: now, deadlineAt });
        queue.add(each);
        naive.all.push(each);
      } else if (choice === 6 && naive.all.length > 0) {
        const gone = naive.all[random(naive.all.length)] as Request;
        naive.all = naive.all.filter((each) => each !== gone);
        assert.equal(queue.remove(gone), true);
      } else if (choice === 7) {
        // The queue keeps nothing of a key that never was.
        if (!naive.all.some((each) => each.key === key)) continue;
        const ms = random(8);
        queue.took(key, ms);
        naive.took(key, ms);
      } else assert.deepEqual(idsOf(queue.take(now)), idsOf(naive.take(now)));
      const due = ["a", "b", "c"].map((each) => naive.dueAt(each));
      assert.equal(queue.dueAt(), Math.min(...due));
      assert.equal(queue.size, naive.all.length);
      for (const lane of lanes) {
        const own = naive.all.filter((each) => each.lane === lane);
        assert.equal(
          queue.rowsOf(lane),
          own.reduce((sum, { rows }) => sum + rows, 0),
        );
      }
    }
  }
});

test("what is spare goes last however old it is, with nobody else, and first out", () => {
  const queue = new RowQueue<Request>({ ...limits, delayMs: 0 });
  const old = request({ key: "spare a", lane: "spare", since: 0 });
  const low = request({ key: "a", lane: "low", since: 10 * laneAgeMs });
  queue.add(old);
  queue.add(low);
  const now = 11 * laneAgeMs;
  assert.equal(queue.lastOf("high"), old);
  assert.deepEqual(idsOf(queue.take(now)), idsOf([low]));
  assert.deepEqual(queue.take(now, true, false), []);
  assert.deepEqual([queue.dueAt(false), queue.dueAt()], [Number.POSITIVE_INFINITY, 0]);
  assert.deepEqual(idsOf(queue.take(now)), idsOf([old]));
  assert.equal(queue.rows, 0);
});
