import assert from "node:assert/strict";
import { test } from "node:test";
import { heartbeatAfterMs } from "./kafka-group-member.ts";

test("a group that has changed sends a heartbeat each second, a settled one every three", () => {
  const sessionMs = 30_000;
  for (const unchangedMs of [0, 1_000, 29_999]) {
    assert.equal(heartbeatAfterMs(unchangedMs, sessionMs), 1_000, `${unchangedMs} ms`);
  }
  for (const unchangedMs of [30_000, 3_600_000]) {
    assert.equal(heartbeatAfterMs(unchangedMs, sessionMs), 3_000, `${unchangedMs} ms`);
  }
});

test("ten heartbeats fit into a session, however short", () => {
  assert.equal(heartbeatAfterMs(0, 6_000), 600);
  assert.equal(heartbeatAfterMs(60_000, 6_000), 600);
  assert.equal(heartbeatAfterMs(60_000, 20_000), 2_000);
});
