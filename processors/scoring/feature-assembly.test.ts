import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { beginAnswer } from "../../schemas/input-payloads.ts";
import { scoringOperator } from "../loop-fixture.ts";
import { FeatureAssembly } from "./feature-assembly.ts";

const none = Number.NaN;

/** Two slots of two features each. */
function assembly(mayLack: boolean) {
  let gathered = new FeatureAssembly(scoringOperator, mayLack);
  const target = new Float64Array(4);
  return {
    answer(id: string, slot: number, value: number, asOf = value) {
      const writer = new ByteWriter();
      beginAnswer(writer, id, slot, false, asOf);
      writer.f64(value);
      writer.f64(value);
      gathered.answer(new ByteReader(writer.take()));
    },
    take(id: string) {
      const asOf = gathered.take(id, target, 0);
      const [first, , second] = target;
      return { first, second, asOf, incomplete: gathered.incomplete };
    },
    drop: (id: string) => gathered.drop(id),
    restart() {
      const writer = new ByteWriter();
      gathered.snapshot(writer);
      gathered = new FeatureAssembly(scoringOperator, mayLack);
      gathered.restore(new ByteReader(writer.take()));
      const again = new ByteWriter();
      gathered.snapshot(again);
      assert.deepEqual(again.take(), writer.take());
      return writer.position;
    },
  };
}

test("what came too late for a record is never given to the next one of its id", () => {
  for (const drops of [false, true]) {
    const gathered = assembly(true);
    gathered.answer("1", 0, 10);
    if (drops) gathered.drop("1");
    else {
      const expected = { first: 10, second: none, asOf: 10, incomplete: true };
      assert.deepEqual(gathered.take("1"), expected);
    }
    gathered.restart();
    // The next record's answer in slot 0 overtakes the owed one in slot 1.
    gathered.answer("1", 0, 20);
    gathered.answer("1", 1, 11);
    gathered.answer("1", 1, 21);
    assert.deepEqual(gathered.take("1"), { first: 20, second: 21, asOf: 21, incomplete: false });
  }
});

test("two answers in one slot are no answer in another", () => {
  const gathered = assembly(true);
  gathered.answer("1", 0, 10);
  gathered.answer("1", 0, 10);
  const expected = { first: 10, second: none, asOf: 10, incomplete: true };
  assert.deepEqual(gathered.take("1"), expected);
  gathered.restart();
  assert.deepEqual(gathered.take("1"), expected);
  gathered.answer("1", 1, 10);
  gathered.answer("1", 1, 10);
  assert.equal(gathered.restart(), 8, "nothing is kept");
});

test("two records of one id and instant both get the answers of the second", () => {
  const gathered = assembly(false);
  for (const slot of [0, 1]) gathered.answer("1", slot, 10);
  for (const slot of [0, 1]) gathered.answer("1", slot, 12);
  const expected = { first: 12, second: 12, asOf: 12, incomplete: false };
  assert.deepEqual(gathered.take("1"), expected);
  gathered.restart();
  assert.deepEqual(gathered.take("1"), expected);
  assert.equal(gathered.restart(), 8, "nothing is kept");
  assert.throws(() => gathered.take("1"), { code: "ANSWER_MISSING" });
});
