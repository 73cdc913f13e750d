import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { PerformanceWindows } from "./performance-windows.ts";

test("a prediction that came in the window after its own holds up no window for ever", () => {
  const windows = new PerformanceWindows(100, 0.5, 30);
  windows.predicted(50, "v1");
  // Known at 90, placed at 101 when the wait for its channel was ended.
  windows.predicted(101, "v1");
  assert.equal(windows.nextEnd(), 100);
  assert.deepEqual(windows.end(), []);
  assert.equal(windows.resolved(50, "v1", 0.5, 1)[0]?.windowStart, 0);
  assert.deepEqual(windows.resolved(90, "v1", 0.5, 1), []);
  assert.equal(windows.nextEnd(), 200, "an outcome of a window that is closed opens none");
  assert.deepEqual(windows.end(), []);
  assert.equal(windows.nextEnd(), 230);
  const { windowStart, rows } = windows.end()[0] ?? {};
  assert.deepEqual([windowStart, rows], [100, 0]);
  assert.equal(windows.nextEnd(), Number.POSITIVE_INFINITY);
});

test("windows that end while others wait for labels close in their turn", () => {
  const windows = new PerformanceWindows(100, 0.5, 200);
  for (const at of [0, 100, 250]) windows.predicted(at, "v1");
  const ends: (number | undefined)[][] = [];
  while (windows.nextEnd() < Number.POSITIVE_INFINITY) {
    ends.push([windows.nextEnd(), windows.end()[0]?.windowStart]);
  }
  assert.deepEqual(ends, [
    [100, undefined],
    [200, undefined],
    [300, 0],
    [300, undefined],
    [400, 100],
    [500, 200],
  ]);
});

test("windows that wait for labels may be many, and are restored", () => {
  const overMs = 60_000;
  const many = 70_000;
  const withinMs = many * overMs;
  const windows = new PerformanceWindows(overMs, 0.5, withinMs);
  for (let i = 0; i < many; i++) {
    windows.predicted(i * overMs, "v1");
    assert.equal(windows.nextEnd(), (i + 1) * overMs);
    assert.deepEqual(windows.end(), []);
    assert.equal(windows.nextEnd(), overMs + withinMs);
  }
  const writer = new ByteWriter();
  windows.snapshot(writer);
  const restored = new PerformanceWindows(overMs, 0.5, withinMs);
  restored.restore(new ByteReader(writer.take()));
  for (const each of [windows, restored]) {
    assert.equal(each.nextEnd(), overMs + withinMs);
    for (const i of [many - 1, 0, many >>> 1]) {
      assert.equal(each.resolved(i * overMs, "v1", 0.5, 1)[0]?.windowStart, i * overMs);
    }
  }
  assert.ok(writer.position < 100 * many, `${writer.position} bytes`);
});
