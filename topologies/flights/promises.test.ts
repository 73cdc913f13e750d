import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type InboxOutputSpec,
  type OperatorSpec,
  type Plan,
  readsSource,
} from "../../schemas/plan.ts";
import type { RouteSpec } from "../../schemas/route.ts";
import { eq } from "../dsl/conditions.ts";
import { topic } from "../dsl/roles.ts";
import { prior } from "../dsl/scoring.ts";
import { from } from "../dsl/stream.ts";
import { topology } from "../dsl/topology.ts";
import { flights } from "./flights.ts";
import { arrival, departure } from "./generated.ts";

function outputsTo(plan: Plan, from: string, to: string): readonly InboxOutputSpec[] {
  const upstream = plan.subtopologies.find(({ name }) => name === from);
  return (upstream?.outputs ?? []).filter(
    (output): output is InboxOutputSpec => output.kind === "inbox" && output.to === to,
  );
}

function promises(from: string, to: string): string[] {
  return outputsTo(flights, from, to).map(({ input, triggers, timers, lookAheadMs }) =>
    [input, ...triggers, ...(timers ? ["timers"] : []), lookAheadMs].join(" "),
  );
}

test("an output promises what decides it: triggers, timers, look-ahead; nothing only read", () => {
  assert.deepEqual(promises("flights.departures", "route_delays@1"), ["lookups:predictions 0"]);
  assert.deepEqual(promises("route_delays@1", "predictions"), [
    "answers:route_delays@1 lookups:predictions 0",
  ]);
  assert.deepEqual(promises("predictions", "retraining"), [
    "predictions triggers 0",
    "outcomes triggers labels timers 0",
  ]);
  assert.deepEqual(promises("retraining", "training"), ["requests predictions outcomes timers 0"]);
  assert.deepEqual(promises("training", "predictions"), ["models requests 21600000"]);
  assert.deepEqual(promises("training", "retraining"), ["models requests 21600000"]);
});

test("every inbox output ends at an input that names its subtopology, and back", () => {
  const fed = new Set<string>();
  for (const { name, outputs } of flights.subtopologies) {
    for (const output of outputs) {
      if (output.kind !== "inbox") continue;
      const target = flights.subtopologies.find((each) => each.name === output.to);
      const input = target?.inputs.find((each) => each.name === output.input);
      assert.equal(input?.from, name, `${name} → ${output.to}.${output.input}`);
      fed.add(`${output.to}.${output.input}`);
    }
  }
  for (const { name, inputs } of flights.subtopologies) {
    for (const input of inputs) assert.ok(fed.has(`${name}.${input.name}`), input.name);
  }
});

function routesOf(operator: OperatorSpec): readonly RouteSpec[] {
  return readsSource(operator) ? operator.spec.routes : [];
}

test("every trigger and every route names something that exists", () => {
  for (const { name, inputs, outputs, operator } of flights.subtopologies) {
    const names = new Set(inputs.map((input) => input.name));
    for (const output of outputs) {
      if (output.kind !== "inbox") continue;
      for (const trigger of output.triggers) assert.ok(names.has(trigger), `${name} ${trigger}`);
    }
    for (const { output } of routesOf(operator)) assert.equal(outputs[output]?.kind, "inbox");
  }
});

test("look-ups come before the trigger, updates after it and labels last, in each source", () => {
  const order = ["look-up", "trigger", "update", "label"];
  for (const { operator } of flights.subtopologies) {
    const ranks = routesOf(operator).map(({ what }) => order.indexOf(what.split(" ")[0] ?? ""));
    assert.deepEqual(
      ranks,
      ranks.toSorted((a, b) => a - b),
    );
  }
});

test("labels of a source that is partitioned otherwise go by the key to any scoring task", () => {
  const departures = from("departures", departure)
    .timedBy("departedAt", { lateness: "10m" })
    .partitionedBy("flightId");
  const arrivals = from("arrivals", arrival)
    .timedBy("arrivedAt", { lateness: "10m" })
    .partitionedBy("origin");
  const predictions = departures
    .enrichedWith({}, { missing: "null", request: { distance: "distanceMiles" } })
    .scoredBy("late", { model: "@champion", deadline: "1s", fallback: prior(0.5) })
    .into(topic("predictions"));
  const outcomes = predictions
    .labelledBy(arrivals, { on: "flightId", within: "1d", label: eq("delayMinutes", 0) })
    .into(topic("outcomes"));
  const plan = topology("t", { predictions, outcomes });
  const scoring = plan.subtopologies.find(({ operator }) => operator.kind === "scoring");
  assert.deepEqual(
    scoring?.inputs.map(({ name, channels }) => `${name} ${channels}`),
    ["triggers same", "labels all"],
  );
  assert.deepEqual(
    outputsTo(plan, "arrivals", "predictions").map(({ fanOut }) => fanOut),
    ["key"],
  );
});

test("topics keep what history needs, models, decisions and the plan are compacted, and sources are unpacked", () => {
  for (const { name, role, partitions, config } of flights.topics) {
    assert.equal(config["message.timestamp.after.max.ms"], "9223372036854775807", name);
    const isCompacted = ["models", "decisions", "plan"].includes(role);
    assert.equal(config["cleanup.policy"], isCompacted ? "compact" : "delete", name);
    if (!isCompacted) assert.equal(config["retention.ms"], "-1", name);
    assert.equal(config["compression.type"], role === "source" ? "uncompressed" : undefined, name);
    const bytes = role === "dead-letters" ? 4_194_304 : 1_048_576;
    assert.equal(Number(config["max.message.bytes"]), bytes, name);
    if (role === "watermarks" || role === "models") assert.equal(partitions, 1, name);
  }
});
