import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutServers } from "./under-test.ts";

test("what is told of a run does not say that servers stay up which are stopped", () => {
  const lines = [
    "from x to y",
    "servers     Kafka 9092 of DIR; they stay up: stop them",
    "end",
    "",
  ];
  assert.equal(withoutServers(lines.join("\n")), "from x to y\nend\n");
});
