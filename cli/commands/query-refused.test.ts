import assert from "node:assert/strict";
import { test } from "node:test";
import { errorOf, MillraceError } from "../../schemas/errors.ts";
import { reasonOf, refusingQuery } from "./query-refused.ts";

const raw =
  "Code: 60. DB::Exception: Unknown table expression identifier 'nothing' in scope SELECT * FROM nothing. (UNKNOWN_TABLE)";

test("a query that ClickHouse refuses is told with its place, the reason alone, and what to do", async () => {
  const refused = new MillraceError("OFFLINE_QUERY_FAILED", { code: "60", reason: raw });
  // That of a run comes over its socket as a code and a message.
  const remote = Object.assign(errorOf("OFFLINE_QUERY_FAILED", {}), { message: refused.message });
  for (const each of [refused, remote]) {
    const asked = refusingQuery("the query", () => Promise.reject(each));
    await assert.rejects(asked, (error: MillraceError) => {
      assert.equal(error.code, "QUERY_REFUSED");
      assert.match(error.message, /the query.*Unknown table.*FROM nothing.*60.*SHOW TABLES/s);
      assert.doesNotMatch(error.message, /DB::Exception|Code:|UNKNOWN_TABLE/);
      return true;
    });
  }
});

test("what the server says is bounded, and what is no refusal comes as it is", async () => {
  assert.equal([...reasonOf(`Code: 1. DB::Exception: ${"é".repeat(5_000)}`)].length, 601);
  const away = new MillraceError("OFFLINE_UNAVAILABLE", { where: "there", reason: "it is away" });
  await assert.rejects(
    refusingQuery("--query", () => Promise.reject(away)),
    away,
  );
});
