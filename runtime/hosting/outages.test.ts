import assert from "node:assert/strict";
import { test } from "node:test";
import { errorOf } from "../../schemas/errors.ts";
import { Outages } from "./outages.ts";

const kafkaAway = errorOf("BROKER_UNAVAILABLE", { request: "Fetch" });

test("a server that many wait for is told once when it goes and once when the last has it back", () => {
  const told: string[] = [];
  const outages = new Outages((what, error) => told.push(`${what} ${error === null}`));
  outages.note("offline of a", kafkaAway);
  outages.note("the tasks", kafkaAway);
  outages.note("the tasks", kafkaAway);
  outages.note("online of a", errorOf("ONLINE_UNAVAILABLE", {}));
  assert.deepEqual(outages.waitingFor, ["Kafka", "the online store"]);
  outages.note("the tasks", null);
  outages.note("nobody who waits", null);
  assert.deepEqual(told, ["Kafka false", "the online store false"]);
  outages.note("offline of a", null);
  outages.note("online of a", null);
  assert.deepEqual(told.slice(2), ["Kafka true", "the online store true"]);
  assert.deepEqual(outages.waitingFor, []);
});

test("who waits for another server than before waits for that alone", () => {
  const told: string[] = [];
  const outages = new Outages((what, error) => told.push(`${what} ${error === null}`));
  outages.note("offline of a", kafkaAway);
  outages.note("offline of a", errorOf("OFFLINE_UNAVAILABLE", {}));
  outages.note("offline of b", new RangeError("a row is refused"));
  assert.deepEqual(outages.waitingFor, ["offline of b", "the offline store"]);
  outages.endAll("offline of ");
  assert.deepEqual(outages.waitingFor, []);
  assert.equal(told.filter((each) => each.startsWith("Kafka")).length, 2);
});
