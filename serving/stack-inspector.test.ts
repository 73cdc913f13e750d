import assert from "node:assert/strict";
import { test } from "node:test";
import type { OfflineStore } from "../sinks/store.ts";
import { flights } from "../topologies/flights/flights.ts";
import type { DeadLetterRequest } from "./inspector.ts";
import type { ServedStack } from "./served-stack.ts";
import { inspectStack } from "./stack-inspector.ts";

test("how many dead letters are asked for is a whole number, and nothing that a statement runs", async () => {
  const asked: string[] = [];
  const query: OfflineStore["query"] = async <Row>(sql: string) => {
    asked.push(sql);
    return [] as Row[];
  };
  const stack = { offline: { of: () => ({ query }) } } as unknown as ServedStack;
  const inspector = inspectStack([flights], stack, []);
  const ask = (request: object) => inspector.deadLetters(request as DeadLetterRequest);
  const injected = "1 UNION ALL SELECT * FROM system.users";
  for (const wrong of [injected, "10", -1, 1.5, Number.NaN, 2 ** 40, null, undefined, [5]]) {
    await assert.rejects(ask({ limit: wrong, bytes: 10 }), { code: "INSPECT_REFUSED" });
    await assert.rejects(ask({ limit: 10, bytes: wrong }), { code: "INSPECT_REFUSED" });
  }
  assert.deepEqual(asked, []);
  await ask({ limit: 10, bytes: 0 });
  assert.match(asked[0] ?? "", /LIMIT 10$/);
});
