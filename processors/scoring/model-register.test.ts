import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { failuresInARow, ModelRegister } from "./model-register.ts";
import { VectorBuffer } from "./vector-buffer.ts";

function promoted(effectiveFrom: number, version: string) {
  return { effectiveFrom, version, sha256: `sha of ${version}` };
}

function restored(register: ModelRegister): ModelRegister {
  const writer = new ByteWriter();
  register.snapshot(writer);
  const again = new ModelRegister();
  again.restore(new ByteReader(writer.take()));
  return again;
}

test("a model is in force for what is known after its effectiveFrom, the instant itself excluded", () => {
  const register = new ModelRegister();
  register.promote(promoted(100, "a"));
  register.promote(promoted(200, "b"));
  const versions = [100, 101, 200, 201].map((knownAt) => register.at(knownAt).version);
  assert.deepEqual(versions, ["", "a", "a", "b"]);
});

test("a model is put aside at its last failure in a row, and said so once; an answer begins anew", () => {
  const register = new ModelRegister();
  register.promote(promoted(0, "a"));
  assert.equal(register.at(1).version, "a");
  for (let row = 1; row < failuresInARow; row++) register.failed("a");
  register.answered("a");
  for (let row = 1; row < failuresInARow; row++) register.failed("a");
  assert.equal(register.isAside("a"), false);
  assert.deepEqual(register.takeNews(), []);
  register.failed("a");
  register.failed("a");
  assert.equal(register.isAside("a"), true);
  assert.deepEqual([register.takeNews(), register.takeNews()], [["a"], []]);
});

test("what a model has failed at is kept over a restore, and forgotten once two others have followed it", () => {
  const register = new ModelRegister();
  register.promote(promoted(0, "a"));
  register.promote(promoted(50, "b"));
  register.promote(promoted(90, "c"));
  register.at(1);
  for (let row = 0; row < failuresInARow; row++) register.failed("a");
  const again = restored(register);
  assert.equal(again.isAside("a"), true);
  again.settled();
  assert.equal(again.isAside("a"), true, "it is in force still");
  assert.equal(again.at(51).artifact, "sha of b");
  again.settled();
  assert.equal(restored(again).isAside("a"), true, "it is the one before");
  assert.equal(again.at(91).before?.version, "b");
  again.settled();
  assert.equal(again.isAside("a"), false);
});

test("a model that somebody names takes its place by its time, once, and never behind a later one", () => {
  const register = new ModelRegister();
  register.promote(promoted(100, "trained"));
  register.hear({ number: 1, ...promoted(50, "named") });
  register.hear({ number: 1, ...promoted(50, "named") });
  const versions = [50, 51, 101].map((knownAt) => register.at(knownAt).version);
  assert.deepEqual(versions, ["", "named", "trained"]);
  register.hear({ number: 2, ...promoted(80, "late") });
  assert.equal(restored(register).at(200).version, "trained", "what came into force later stays");
  register.hear({ number: 3, ...promoted(100, "same instant") });
  assert.deepEqual([restored(register).heard, register.at(200).version], [3, "same instant"]);
  assert.equal(register.at(200).before?.version, "trained");
});

test("vectors stay where they are when their buffer grows", () => {
  const vectors = new VectorBuffer(3);
  for (let row = 0; row < 200; row++) {
    const at = vectors.add();
    vectors.values.fill(row, at, at + 3);
  }
  assert.equal(vectors.rows, 200);
  for (let row = 0; row < 200; row++) {
    assert.deepEqual([...vectors.values.subarray(row * 3, row * 3 + 3)], [row, row, row]);
  }
});
