import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ExactRows, exactJson } from "./exact-json.ts";

test("whole numbers beyond the exact doubles are bigints, and all else is what JSON says", () => {
  const text = String.raw`{"a":9007199254740993,"b":-170141183460469231731687303715884105728,"c":[
    9007199254740991,"9007199254740993","\\\"12345678901234567890",1e300,
    2251799813685249.5,{"12345678901234567890":18446744073709551615}],
    "d":null,"e":-0.12345678901234568}`;
  assert.deepEqual(exactJson(text), {
    a: 9_007_199_254_740_993n,
    b: -(2n ** 127n),
    c: [
      9_007_199_254_740_991,
      "9007199254740993",
      String.raw`\"12345678901234567890`,
      1e300,
      2_251_799_813_685_249.5,
      { "12345678901234567890": 18_446_744_073_709_551_615n },
    ],
    d: null,
    e: -0.12345678901234568,
  });
});

test("but for such numbers it is what JSON.parse gives, whatever texts hold", () => {
  const rounded = (_: string, each: unknown) => (typeof each === "bigint" ? Number(each) : each);
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: "binary" }), (value, text) => {
      const json = JSON.stringify([value, text, "1".repeat(20)]);
      assert.equal(JSON.stringify(exactJson(json), rounded), json);
    }),
    { examples: [["\\", '"9007199254740993']] },
  );
});

test("every whole number comes back as it was", () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: -(2n ** 127n), max: 2n ** 127n })), (all) => {
      const back = exactJson(`[${all.join(", ")}]`) as (number | bigint)[];
      assert.deepEqual(back.map(BigInt), all);
      for (const each of back) assert.ok(typeof each === "bigint" || Number.isSafeInteger(each));
    }),
  );
});

test("rows go by their columns' types: doubles are numbers, however large and in lists", () => {
  const found = new ExactRows();
  found.take('["a","b","c","d"]');
  found.take('["Nullable(Float64)","Int64","Array(Float32)","Decimal(20, 0)"]');
  found.take(
    "[9223372036854775807,9223372036854775807,[1000000000000000000,0.5],12345678901234567890]",
  );
  found.take("[null,7,[],1]");
  assert.deepEqual(found.rows, [
    { a: 2 ** 63, b: 2n ** 63n - 1n, c: [1e18, 0.5], d: 12_345_678_901_234_567_890n },
    { a: null, b: 7, c: [], d: 1 },
  ]);
});
