import assert from "node:assert/strict";
import { test } from "node:test";
import { json } from "../schemas/formats/kinds.ts";
import { types } from "../schemas/formats/types.ts";
import { topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { modelRoles } from "./model-roles.ts";

const asked = from(
  "payments",
  json({ id: types.text(), at: types.timestamp("ms"), amount: types.decimal() }),
)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("id")
  .enrichedWith({}, { missing: "null", request: { amount: "amount" } });
const how = { model: "@champion", deadline: "20ms", fallback: prior(0.1) } as const;
const offline = {
  query: () => assert.fail("there is nothing to ask for"),
};

test("who compares versions of a step hears what it lacks: routes, or outcomes", async () => {
  const plain = asked.scoredBy("fraud", how).into(topic("scores"));
  await assert.rejects(modelRoles(topology("plain", { plain }), "fraud", offline), {
    code: "MODEL_UNROUTED",
  });
  const routed = asked.scoredBy("fraud", { ...how, routed: { by: "id" } }).into(topic("scores"));
  await assert.rejects(modelRoles(topology("routes", { routed }), "fraud", offline), {
    code: "MODEL_UNJUDGED",
    message: /its step routed is routed.*labelledBy/,
  });
});
