import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { createPace, createProgress, type ProgressState, progressText } from "./progress.ts";

const state = (share: number, records: number): ProgressState => ({
  eventTime: Date.UTC(2001, 0, 4, 6),
  share,
  leftMs: null,
  records,
  auc: 0.7741,
  phase: "storing",
});

test("rate and time left follow the last ten seconds", () => {
  const pace = createPace();
  assert.deepEqual(pace(state(0, 0), 0), { rate: 0, etaSeconds: null });
  assert.deepEqual(pace(state(0.1, 1000), 1000), { rate: 1000, etaSeconds: 9 });
  for (let second = 2; second <= 30; second++) pace(state(0.1 + second / 100, 1000), second * 1000);
  const { rate, etaSeconds } = pace(state(0.41, 1000), 31_000);
  assert.equal(rate, 0);
  assert.ok(etaSeconds !== null && Math.abs(etaSeconds - 59) < 1);
});

test("records that are told of late, after tasks began anew, are no rate, neither below 0 nor above", () => {
  const pace = createPace();
  const rates = [600, 800, 0, 0, 820].map((records, second) => {
    return pace(state(0, records), second * 1000).rate;
  });
  assert.deepEqual(rates, [0, 200, 100, 200 / 3, 55]);
});

test("a state reads as one line", () => {
  assert.equal(
    progressText(state(0.315, 5), { rate: 12_345.4, etaSeconds: 41.2 }),
    "2001-01-04 06:00  31 %  12,345 records/s  ETA 42 s  AUC 0.774  storing",
  );
  const unknown = { ...state(0, 0), eventTime: Number.NEGATIVE_INFINITY, auc: null };
  assert.equal(
    progressText(unknown, { rate: 0, etaSeconds: null }),
    "starting  0 %  0 records/s  storing",
  );
});

test("of a run without an end no share is said", () => {
  const endless = { ...state(0, 5), share: null };
  assert.equal(
    progressText(endless, { rate: 3, etaSeconds: null }),
    "event time 2001-01-04 06:00  3 records/s  AUC 0.774  storing",
  );
  const pace = createPace();
  pace(endless, 0);
  assert.equal(pace({ ...endless, records: 9 }, 1_000).etaSeconds, null);
});

test("where the clock ends a run, the time left is the clock's, whatever came of late", () => {
  const text = (leftMs: number) => {
    const live = { ...state(0.8, 5), leftMs, auc: null, phase: "live" };
    return progressText(live, { rate: 0, etaSeconds: 609 });
  };
  const before = "event time 2001-01-04 06:00  80 %  0 records/s";
  assert.equal(text(60_000), `${before}  1m 0s left  live`);
  assert.equal(text(53_001), `${before}  54s left  live`);
  assert.equal(text(2 * 3_600_000 + 6 * 60_000), `${before}  2h 6m left  live`);
  assert.equal(text(0), `${before}  0s left  live`);
});

test("where there is no terminal a plain line comes every five seconds, without control codes", () => {
  const stream = new PassThrough();
  let now = 0;
  const progress = createProgress(stream as unknown as NodeJS.WriteStream, () => now);
  for (; now <= 12_000; now += 500) progress.update(state(now / 20_000, now));
  progress.say("a word");
  progress.stop();
  const lines = String(stream.read()).trimEnd().split("\n");
  assert.equal(lines.length, 4);
  assert.equal(lines[3], "a word");
  for (const line of lines) assert.match(line, /^[ -~]+$/);
});

test("of other work the share and its name come every five seconds, none before", () => {
  const stream = new PassThrough();
  let now = 0;
  const progress = createProgress(stream as unknown as NodeJS.WriteStream, () => now);
  for (; now <= 12_000; now += 500) progress.step(now / 20_000, `counting ${now}`);
  progress.stop();
  assert.equal(String(stream.read()), "25 %  counting 5000\n50 %  counting 10000\n");
});

test("a bar gives the cursor back when the process ends in the midst of it", () => {
  const before = process.listeners("exit");
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  const progress = createProgress(stream as unknown as NodeJS.WriteStream);
  progress.update(state(0.5, 1));
  const [onExit] = process.listeners("exit").filter((each) => !before.includes(each));
  onExit?.call(process, 130);
  const written = String(stream.read());
  const [hidden, shown] = [written.lastIndexOf("[?25l"), written.lastIndexOf("[?25h")];
  assert.ok(hidden >= 0 && shown > hidden, written);
  assert.deepEqual(process.listeners("exit"), before);
});
