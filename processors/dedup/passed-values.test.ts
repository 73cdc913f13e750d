import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { PassedValues } from "./passed-values.ts";

const [withinMs, latenessMs] = [10, 6];

/** How far time goes on, how far the record is behind it, and its value. */
const step = fc.record({
  ahead: fc.integer({ min: 0, max: 8 }),
  behind: fc.integer({ min: 0, max: latenessMs }),
  value: fc.constantFrom("a", "b", "c"),
});

test("a record passes unless one of its value has within reach of it, whatever was forgotten", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.nat(200), (steps, restoreAt) => {
      let passed = new PassedValues(withinMs, latenessMs);
      const all: { value: string; time: number }[] = [];
      let knownAt = 1_000;
      for (const [i, { ahead, behind, value }] of steps.entries()) {
        knownAt += ahead;
        const time = knownAt - behind;
        passed.advanceTo(knownAt);
        const isNear = all.some(
          (each) => each.value === value && Math.abs(each.time - time) <= withinMs,
        );
        assert.equal(passed.isNear(value, time), isNear);
        if (!isNear) {
          all.push({ value, time });
          passed.add(value, time, knownAt);
        }
        if (i !== restoreAt) continue;
        const writer = new ByteWriter();
        passed.snapshot(writer);
        passed = new PassedValues(withinMs, latenessMs);
        passed.restore(new ByteReader(writer.take()));
      }
    }),
  );
});

test("what can be near no record any more is forgotten", () => {
  const passed = new PassedValues(withinMs, latenessMs);
  const bytes = () => {
    const writer = new ByteWriter();
    passed.snapshot(writer);
    return writer.position;
  };
  const empty = bytes();
  for (let time = 0; time < 10_000; time++) {
    passed.advanceTo(time);
    passed.add(`value ${time}`, time, time);
  }
  assert.ok(bytes() < 20 * 40);
  assert.ok(passed.size > 0 && passed.size < 20);
  passed.advanceTo(20_000);
  assert.equal(passed.size, 0);
  assert.equal(bytes(), empty);
});
