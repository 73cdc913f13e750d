/**
 * Why long: one small topology, and every way to get it wrong; apart, each part would repeat it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Duration } from "../../schemas/duration.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { type Plan, stepsOf } from "../../schemas/plan.ts";
import type { PromoteWhen } from "../../schemas/steps/training.ts";
import { arrival, departure } from "../flights/generated.ts";
import { agg } from "./aggregates.ts";
import { and, custom, gt } from "./conditions.ts";
import { describe } from "./describe.ts";
import { calendar } from "./enrichment.ts";
import { offline, online, topic } from "./roles.ts";
import { prior } from "./scoring.ts";
import { from } from "./stream.ts";
import { topology } from "./topology.ts";
import { better, logisticRegression, notWorse } from "./training.ts";
import { any, drifted, every, labels, noModel, type Trigger } from "./triggers.ts";
import { drift } from "./watch.ts";

/** What the compiler would have refused: texts from users who write JavaScript. */
const wrong = (value: unknown): never => value as never;

const arrivals = from("arrivals", arrival)
  .timedBy("arrivedAt", { lateness: "10m" })
  .partitionedBy("flightId");
const departures = from("departures", departure)
  .timedBy("departedAt", { lateness: "10m" })
  .partitionedBy("flightId");
const byOrigin = arrivals.keyedBy("origin").over("15m", "1h");
const delays = byOrigin
  .compute({ flights: agg.count(), delayMean: agg.mean("delayMinutes") })
  .asFeatureView("delays@1", { ttl: "2h" })
  .into(online, offline);
const late = gt("delayMinutes", 15);

function predictionsOf(stream = departures, view = delays, name = "predictions", model = "late") {
  return stream
    .enrichedWith(
      { origin: view.at("origin") },
      { missing: "null", request: { hour: calendar("localHour"), distance: "distanceMiles" } },
    )
    .scoredBy(model, { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
    .into(topic(name), offline);
}

const predictions = predictionsOf();
const outcomes = predictions
  .labelledBy(arrivals, { on: "flightId", within: "36h", label: late })
  .into(topic("outcomes"), offline);
const train = { over: "4d", trainingTime: "6h" } as const;

function retrainingOf(
  of = outcomes,
  trigger: Trigger<"features"> = every("4d"),
  promoteWhen?: PromoteWhen,
) {
  return of
    .watchedFor(drift.features({ over: "24h" }))
    .retrainedWhen(trigger, { cooldown: "24h" })
    .trainedBy(logisticRegression({ seed: 1 }), { ...train, ...(promoteWhen && { promoteWhen }) });
}

/** Lines of the error that a build ends with. */
function problemsOf(build: () => Plan): string[] {
  try {
    build();
  } catch (error) {
    assert.ok(error instanceof MillraceError);
    assert.equal(error.code, "TOPOLOGY_INVALID");
    return String(error.context["problems"]).split("\n");
  }
  return [];
}

function assertProblem(build: () => Plan, expected: RegExp): void {
  const problems = problemsOf(build);
  assert.ok(
    problems.some((problem) => expected.test(problem)),
    `no problem matches ${expected}:\n${problems.join("\n")}`,
  );
}

test("a view alone compiles to its sources, one view task group and no look-ups", () => {
  const plan = topology("delays", { delays });
  assert.deepEqual(
    plan.subtopologies.map(({ name, operator }) => [name, operator.kind]),
    [
      ["arrivals", "source"],
      ["delays@1", "view"],
    ],
  );
  assert.deepEqual(
    plan.subtopologies[1]?.inputs.map(({ name }) => name),
    ["updates"],
  );
});

test("scoring without a watch reads no models and promises nothing", () => {
  const plan = topology("scores", { predictions, outcomes });
  const scoring = plan.subtopologies.find(({ operator }) => operator.kind === "scoring");
  assert.ok(scoring);
  assert.deepEqual(
    scoring.inputs.map(({ name, channels }) => `${name} ${channels}`),
    ["answers:delays@1 all", "triggers same", "labels same"],
  );
  assert.deepEqual(
    scoring.outputs.map(({ kind }) => kind),
    ["topic", "topic"],
  );
  const unlabelled = topology("scores", { predictions });
  assert.deepEqual(
    unlabelled.sources.map(({ topic }) => topic),
    ["arrivals", "departures"],
  );
  assert.equal(
    unlabelled.subtopologies.some(({ inputs }) => inputs.some(({ name }) => name === "labels")),
    false,
  );
});

test("names of state and topics come from names, not from the order of steps or views", () => {
  const other = byOrigin
    .compute({ late: agg.share(late) })
    .asFeatureView("another@2", { ttl: "2h" })
    .into(offline);
  const retraining = retrainingOf();
  const one = topology("t", { predictions, outcomes, retraining, other });
  const two = topology("t", { other, retraining, outcomes, predictions });
  assert.deepEqual(one, two);
  const without = topology("t", { predictions, outcomes, retraining });
  const names = new Set(one.topics.map(({ name }) => name));
  for (const { name } of without.topics) assert.ok(names.has(name), name);
  assert.deepEqual(
    one.topics.map(({ name }) => name).filter((name) => name.includes("another")),
    ["t.another.v2.changelog", "t.another.v2.inbox", "t.another.v2.rows"],
  );
});

test("a plan changes its fingerprint with each thing that decides results", () => {
  const build = (lateness: Duration, floor: number, version: number, limit: number) => {
    const stream = from("arrivals", arrival).timedBy("arrivedAt", { lateness });
    const test = custom({ name: "far", version, test: () => true });
    const view = stream
      .partitionedBy("flightId")
      .keyedBy("origin")
      .over("1h")
      .compute({ late: agg.share(gt("delayMinutes", floor)), far: agg.share(test) })
      .asFeatureView("delays@1", { ttl: "2h", exactLimit: limit })
      .into(offline);
    return topology("t", { view }).fingerprint;
  };
  const all = [
    build("10m", 15, 1, 9),
    build("11m", 15, 1, 9),
    build("10m", 16, 1, 9),
    build("10m", 15, 2, 9),
    build("10m", 15, 1, 8),
    topology("t", { delays }, { partitions: 8 }).fingerprint,
    topology("t", { delays }, { guarantee: "at-least-once" }).fingerprint,
    topology("t", { delays }).fingerprint,
  ];
  assert.equal(new Set(all).size, all.length);
  assert.equal(build("10m", 15, 1, 9), all[0]);
});

test("a plan and all that it holds is frozen", () => {
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null) return;
    assert.ok(Object.isFrozen(value), path);
    for (const [key, part] of Object.entries(value)) visit(part, `${path}.${key}`);
  };
  visit(topology("t", { predictions, outcomes, retraining: retrainingOf() }), "plan");
  visit(delays, "view");
});

test("a step that is built on but not named is an error", () => {
  assertProblem(() => topology("t", { outcomes }), /"outcomes": is built on the predictions in/);
  assertProblem(
    () => topology("t", { predictions, retraining: retrainingOf() }),
    /"retraining": is built on the outcomes in "outcomes", which have no name/,
  );
});

test("names that stand for two things are errors", () => {
  assertProblem(
    () => topology("t", { predictions, same: predictions }),
    /step "same": is the same step as "predictions"/,
  );
  const other = byOrigin
    .compute({ n: agg.count() })
    .asFeatureView("delays@1", { ttl: "2h" })
    .into(online);
  assertProblem(() => topology("t", { delays, other }), /view "delays@1": is defined twice/);
  const shifted = from("arrivals", arrival)
    .timedBy("arrivedAt", { lateness: "1h" })
    .partitionedBy("flightId");
  const second = predictions
    .labelledBy(shifted, { on: "flightId", within: "1h", label: late })
    .into(topic("outcomes"), offline);
  assertProblem(
    () => topology("t", { predictions, second }),
    /source "arrivals": is declared twice with different settings/,
  );
  assertProblem(() => topology("t", { predictions, outcomes, second }), /predictions have one/);
  assertProblem(() => topology("t", { training: retrainingOf(), predictions, outcomes }), /rename/);
  for (const taken of ["arrivals", "t.drift", "t.delays.v1.rows", "t.late", "outcomes"]) {
    const scored = predictionsOf(departures, delays, taken);
    const labelled = scored
      .labelledBy(arrivals, { on: "flightId", within: "36h", label: late })
      .into(topic("outcomes"), offline);
    const retraining = retrainingOf(labelled);
    assertProblem(
      () => topology("t", { predictions: scored, outcomes: labelled, retraining }),
      new RegExp(`topic "${taken}": has two uses`),
    );
  }
});

/** A second loop beside the first, with a training of its own name. */
function secondLoop(model: string) {
  const others = predictionsOf(departures, delays, "others", model);
  const theirs = others
    .labelledBy(arrivals, { on: "flightId", within: "36h", label: late })
    .into(topic("theirs"), offline);
  const second = theirs
    .watchedFor(drift.performance("auc", { over: "12h", floor: 0.6 }))
    .retrainedWhen(drifted("performance"), { cooldown: "24h" })
    .trainedBy(logisticRegression({ seed: 2 }), { ...train, name: "second-training" });
  return { others, theirs, second };
}

test("two trainings never write versions of one model", () => {
  const first = { predictions, outcomes, first: retrainingOf() };
  assertProblem(
    () => topology("t", { ...first, ...secondLoop("late") }),
    /step "first": trains the model "late", which "second" trains already/,
  );
  // A step without training takes no model: the name tells nothing apart.
  const { others, theirs } = secondLoop("late");
  assert.deepEqual(
    problemsOf(() => topology("t", { ...first, others, theirs })),
    [],
  );
});

test("a watch hears of challengers where its step is routed, and else knows of none", () => {
  const watchOf = (routed: boolean) => {
    const scored = departures
      .enrichedWith({ origin: delays.at("origin") }, { missing: "null" })
      .scoredBy("late", {
        ...{ model: "@champion", deadline: "20ms", fallback: prior(0.2) },
        ...(routed && { routed: { by: "origin" } }),
      })
      .into(topic("predictions"), offline);
    const judged = scored
      .labelledBy(arrivals, { on: "flightId", within: "36h", label: late })
      .into(topic("outcomes"), offline);
    const steps = { predictions: scored, outcomes: judged, retraining: retrainingOf(judged) };
    const { subtopologies } = topology("t", steps);
    const found = subtopologies.find(({ operator }) => operator.kind === "watch")?.operator;
    assert.ok(found?.kind === "watch");
    return found.spec;
  };
  assert.equal(watchOf(true).routed, true);
  assert.ok(!("routed" in watchOf(false)));
});

test("two watches share the topics of the topology, and their trainings have names", () => {
  const { others, theirs, second } = secondLoop("later");
  const steps = { predictions, outcomes, others, theirs, first: retrainingOf() };
  assertProblem(
    () => topology("t", { ...steps, second: retrainingOf(theirs) }),
    /step "training": has the name of another step/,
  );
  const plan = topology("t", { ...steps, second });
  assert.equal(plan.topics.filter(({ name }) => name === "t.drift").length, 1);
  assert.equal(plan.topics.filter(({ name }) => name === "t.models").length, 1);
  const view = plan.subtopologies.find(({ name }) => name === "delays@1");
  assert.deepEqual(
    view?.inputs.map(({ name }) => name),
    ["lookups:others", "lookups:predictions", "updates"],
  );
});

test("names have to be legal in topics and columns", () => {
  assertProblem(() => topology("My Topology", { delays }), /topology "My Topology"/);
  assertProblem(() => topology("t", { "a step": predictions }), /step "a step"/);
  const name = (id: string) =>
    byOrigin.compute({ n: agg.count() }).asFeatureView(wrong(id), { ttl: "2h" }).into(online);
  assertProblem(() => topology("t", { view: name("Delays@1") }), /name@version/);
  assertProblem(() => topology("t", { view: name("delays@0") }), /name@version/);
  assertProblem(() => topology("t", { view: name("outcomes@1") }), /name of a table/);
  assertProblem(
    () => topology("t", { p: predictionsOf(departures, delays, "a b") }),
    /legal topic/,
  );
  assertProblem(() => topology("t", { p: predictionsOf(departures, delays, "t_late") }), /Kafka/);
});

test("features must not share a name with each other or with a column", () => {
  const view = byOrigin
    .compute({ delayMean: agg.mean("delayMinutes"), delay_mean: agg.count() })
    .asFeatureView("twice@1", { ttl: "2h" })
    .into(online);
  assertProblem(() => topology("t", { view }), /column "delay_mean_15m" exists already/);
  const taken = departures
    .enrichedWith({}, { missing: "null", request: { knownAt: "distanceMiles" } })
    .scoredBy("late", { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
    .into(topic("predictions"));
  assertProblem(() => topology("t", { taken }), /feature "known_at" exists already/);
});

test("numbers and durations out of bounds are errors, and all are reported together", () => {
  const view = arrivals
    .keyedBy("origin")
    .over("60m", "1h", wrong("0m"))
    .compute({ p: agg.quantile("delayMinutes", 1), any: agg.share(gt("delayMinutes", Number.NaN)) })
    .asFeatureView("bad@1", { ttl: "30m", exactLimit: 0 })
    .into(online, online);
  const problems = problemsOf(() => topology("t", { view }, { partitions: 0 }));
  const expected = [
    /topology: partitions is 0/,
    /window "0m" is no duration/,
    /windows "60m" and "1h" have the same length/,
    /feature "p": quantile probability 1/,
    /feature "any": gt\("delayMinutes", NaN\) needs a finite number/,
    /ttl "30m" is shorter than its window "1h"/,
    /exactLimit is 0/,
    /names a store twice/,
  ];
  for (const pattern of expected) {
    assert.ok(
      problems.some((problem) => pattern.test(problem)),
      `${pattern}\n${problems.join("\n")}`,
    );
  }
  assert.equal(problems.length, expected.length);
});

test("a duration is a hundred years at most: what lies beyond is no date in a store", () => {
  const build = (window: Duration) => {
    const view = arrivals
      .keyedBy("origin")
      .over(window)
      .compute({ n: agg.count() })
      .asFeatureView("life@1", { ttl: "36500d" })
      .into(online);
    return () => topology("t", { view });
  };
  assert.deepEqual(problemsOf(build("36500d")), []);
  assertProblem(build("36501d"), /window "36501d" is longer than 36500d/);
});

test("what JavaScript lets through is found when the topology is built", () => {
  const odd = from<Record<string, never>>("odd", wrong(arrival))
    .timedBy(wrong("flightId"), { lateness: wrong("soon"), maxJump: wrong("far") })
    .partitionedBy(wrong("delay"));
  const view = odd
    .keyedBy(wrong("airport"))
    .over("1h")
    .compute({ a: wrong(agg.sum("origin")), b: wrong(agg.share(and(gt("origin", 3)))) })
    .asFeatureView("odd@1", { ttl: "1h" })
    .into(online);
  const build = () => topology("t", { view });
  assertProblem(build, /timedBy\("flightId"\) needs a timestamp that is never null/);
  assertProblem(build, /lateness "soon" is no duration/);
  assertProblem(build, /maxJump "far" is no duration/);
  assertProblem(build, /partitionedBy\("delay"\) needs text or a whole number/);
  assertProblem(build, /keyedBy\("airport"\) needs a field/);
  assertProblem(build, /sum\("origin"\) needs a numeric field of odd/);
  assertProblem(build, /gt\("origin", …\) compares a field of type text with a number/);
  const lookedUp = departures
    .enrichedWith(wrong({ Origin: delays.at(wrong("flightId")) }), { missing: wrong("zero") })
    .scoredBy("Late!", { model: wrong("@latest"), deadline: "20ms", fallback: prior(2) })
    .into(topic("p"), wrong(online));
  const score = () => topology("t", { lookedUp });
  assertProblem(score, /"Origin" becomes a column/);
  assertProblem(score, /at\("flightId"\) needs a field of departures/);
  assertProblem(score, /missing must be "null"/);
  assertProblem(score, /model name "Late!"/);
  assertProblem(score, /model "@latest" is unknown/);
  assertProblem(score, /prior\(2\) must be a probability/);
  assertProblem(score, /only feature views go online/);
});

test("what is no finished step is an error, not left out", () => {
  const watched = outcomes.watchedFor(drift.features({ over: "24h" }));
  for (const unfinished of [arrivals, watched, undefined, "view"]) {
    const build = () => topology("t", { delays, unfinished: wrong(unfinished) });
    assertProblem(build, /step "unfinished": is no finished step/);
  }
});

test("a challenger must be better, unless the topology asks for one that is not worse", () => {
  const build = (promoteWhen?: PromoteWhen) =>
    topology("t", {
      predictions,
      outcomes,
      retraining: retrainingOf(outcomes, every("4d"), promoteWhen),
    });
  assert.deepEqual(stepsOf(build(), "training")[0]?.promoteWhen, { kind: "better" });
  assert.equal(build(better()).fingerprint, build().fingerprint);
  const fresh = build(notWorse({ by: 0.005 }));
  assert.match(describe(fresh), /promoted when not worse by 0.005/);
  assertProblem(() => build(notWorse({ by: 0 })), /notWorse by 0 must be between 0 and 0.5/);
});

test("a loop has rules that reach across its steps", () => {
  const unstored = predictionsOf().labelledBy(arrivals, {
    on: "flightId",
    within: "36h",
    label: late,
  });
  const bare = unstored.into(topic("outcomes"));
  const build = (retraining: ReturnType<typeof retrainingOf>, result = outcomes) =>
    topology("t", { predictions, outcomes: result, retraining });
  assertProblem(() => build(retrainingOf(bare), bare), /trains on "outcomes": write it into/);
  assertProblem(
    () => build(retrainingOf(outcomes, every("12h"))),
    /every\("12h"\) is shorter than the cooldown/,
  );
  assertProblem(
    () => build(retrainingOf(outcomes, wrong(drifted("performance")))),
    /no such detect/,
  );
  assertProblem(() => build(retrainingOf(outcomes, labels(0))), /labels of labels is 0/);
  assertProblem(
    () => build(retrainingOf(outcomes, any(noModel({ labels: 0.5 }), every("4d")))),
    /labels of no-model is 0.5/,
  );
});
