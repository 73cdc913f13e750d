import assert from "node:assert/strict";
import { test } from "node:test";
import { oneHot } from "../../schemas/encodings/kinds.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { protobuf } from "../../schemas/formats/kinds.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { arrival, departure } from "../flights/generated.ts";
import { agg } from "./aggregates.ts";
import { custom, eq, field, gt, type Test } from "./conditions.ts";
import { offline, online, topic } from "./roles.ts";
import { blockList, override, type Range, type Rule, threshold } from "./rules.ts";
import { prior } from "./scoring.ts";
import { from } from "./stream.ts";
import { topology } from "./topology.ts";
import { every } from "./triggers.ts";
import { drift } from "./watch.ts";

/** What the compiler would have refused: texts from users who write JavaScript. */
const wrong = (value: unknown): never => value as never;
const arrivals = from("arrivals", arrival)
  .timedBy("arrivedAt", { lateness: "10m" })
  .partitionedBy("flightId");
const departures = from("departures", departure)
  .timedBy("departedAt", { lateness: "10m" })
  .partitionedBy("flightId");

/** Lines of the error that a build ends with. */
function problemsOf(build: () => unknown): string {
  try {
    build();
  } catch (error) {
    assert.ok(error instanceof MillraceError);
    return String(error.context["problems"]);
  }
  return "";
}

test("a window that is no duration is one problem, which names it", () => {
  const view = arrivals
    .keyedBy("origin")
    .over(wrong("0s"))
    .compute({ flights: agg.count() })
    .asFeatureView("none@1", { ttl: "2h" })
    .into(online);
  const scores = departures
    .enrichedWith({ origin: view.at("origin") }, { missing: "null" })
    .scoredBy("late", { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
    .into(topic("scores"));
  const problems = problemsOf(() => topology("t", { scores }));
  assert.match(problems, /^- view "none@1": window "0s" is no duration[^\n]*$/);
});

test("what else is wrong with a step is told where its last verb is missing, whatever step it is", () => {
  const view = arrivals
    .keyedBy("origin")
    .over("1h")
    .compute({ flights: agg.count() })
    .asFeatureView("origin@1", { ttl: wrong("2 hours") });
  const scores = departures
    .enrichedWith({}, { missing: "null", request: { distance: "distanceMiles" } })
    .scoredBy("late", { model: "@champion", deadline: wrong("20 ms"), fallback: prior(1.5) });
  const ended = scores.into(topic("scores"), offline);
  const outcomes = ended.labelledBy(arrivals, {
    on: "flightId",
    within: "1d",
    unlabelled: wrong("maybe"),
    label: gt("delayMinutes", 15),
  });
  const watch = outcomes
    .into(topic("outcomes"), offline)
    .watchedFor(drift.performance("auc", { over: "1d", floor: 2 }))
    .retrainedWhen(every("1d"), { cooldown: "1h" });
  const told = problemsOf(() => topology("t", wrong({ view, scores, ended, outcomes, watch })));
  for (const name of ["view", "scores", "outcomes", "watch"]) {
    assert.match(told, new RegExp(`^- step "${name}": is no finished step`, "m"));
  }
  assert.match(told, /^- view "origin@1": ttl "2 hours" is no duration/m);
  assert.match(told, /^- step "scores": deadline "20 ms" is no duration/m);
  assert.match(told, /^- step "scores": prior\(1\.5\) must be a probability/m);
  assert.match(told, /^- step "outcomes": unlabelled "maybe" is neither/m);
  assert.match(told, /^- step "watch": floor 2 must be between 0 and 1/m);
});

test("a text that is the name of a field is refused, and fields of two types are", () => {
  const problems = (test: Test<never>) => {
    const view = arrivals
      .keyedBy("origin")
      .over("1h")
      .compute({ home: agg.share(wrong(test)) })
      .asFeatureView("home@1", { ttl: "2h" })
      .into(online);
    return problemsOf(() => topology("t", { view }));
  };
  const text = problems(eq("origin", "destination"));
  assert.match(text, /eq\("origin", "destination"\) compares with a text that is the name/);
  assert.match(text, /write field\("destination"\)/);
  assert.match(
    problems(eq("origin", field("delayMinutes"))),
    /field\("delayMinutes"\)\) compares a field of type text with one of type integer/,
  );
  assert.match(
    problems(eq("origin", field("none"))),
    /eq\("none", …\): arrivals has no such field/,
  );
  assert.equal(problems(eq("origin", field("destination"))), "");
});

test("two request features that become one column are refused, whatever made them", () => {
  const scores = departures
    .enrichedWith(
      {},
      { missing: "null", request: { from: oneHot("origin", ["SFO"]), from_sfo: "distanceMiles" } },
    )
    .scoredBy("late", { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
    .into(topic("scores"));
  assert.match(
    problemsOf(() => topology("t", { scores })),
    /^- step "scores": feature "from_sfo" exists already: rename it$/,
  );
});

test("a rule or a range that fits nothing is refused, with a name that is close", () => {
  const problems = (rules: readonly Rule<never>[], ranges: Readonly<Record<string, Range>> = {}) =>
    problemsOf(() =>
      topology("t", {
        scores: departures
          .enrichedWith({}, { missing: "null", request: { miles: "distanceMiles" } })
          .scoredBy("late", {
            ...{ model: "@champion", deadline: "20ms", fallback: prior(0.2) },
            rules: rules as readonly Rule<unknown>[],
            ranges: ranges as never,
          })
          .into(topic("scores")),
      }),
    );
  const is = (name: string, field: string) => override(name, eq(field, 1), 0.5);
  assert.match(
    problems([is("a", "distance")]),
    /step "scores", rule "a": eq\("distance", …\): departures or its predictions has no such field/,
  );
  assert.match(problems([is("a", "features.mile")]), /eq\("features.mile", …\): .* no such field/);
  assert.match(problems([is("a", "origin")]), /compares a field of type text with a number/);
  assert.match(problems([is("A", "features.miles")]), /rule "A": its name needs a lower-case/);
  assert.match(
    problems([is("a", "probability"), is("a", "probability")]),
    /has two rules "a": rename one/,
  );
  assert.match(problems([threshold("a", 1.5)]), /rule "a": 1.5 must be a probability/);
  const closure = custom({ name: "far", version: 1, test: () => true });
  assert.match(problems([override("a", closure, 1)]), /rules are expressions: no custom\(\)/);
  assert.match(
    problems([blockList("a", "origen", ["SFO"], 1)]),
    /departures has no field "origen" \(did you mean origin\?\)/,
  );
  assert.match(
    problems([blockList("a", "origin", [7], 1)]),
    /"origin" has the type text, and 7 is/,
  );
  assert.match(problems([blockList("a", "origin", [], 1)]), /has 0 values; give 1 to 10000/);
  assert.match(
    problems([], { mile: { max: 1, outside: "flag" } }),
    /range of "mile": there is no such feature \(did you mean miles\?\)/,
  );
  for (const range of [{}, { min: 2, max: 1 }, { min: Number.NaN }, { max: 1 / 0 }]) {
    assert.match(
      problems([], { miles: { ...range, outside: "flag" } }),
      /range of "miles": give min, max or both/,
    );
  }
  assert.match(
    problems([], { miles: { max: 1, outside: wrong("drop") } }),
    /outside "drop" is neither "flag" nor "refuse"/,
  );
  assert.equal(problems([is("a", "features.miles")], { miles: { min: 0, outside: "flag" } }), "");
});

test("names that clash are named, and so is a name that is none for topics", () => {
  const within = "1h";
  const problems = (stream: typeof departures) => {
    const view = stream
      .keyedBy("origin")
      .over("1h")
      .compute({ n: agg.count() })
      .asFeatureView("n@1", { ttl: "1d" })
      .into(online);
    return problemsOf(() => topology("t", { view }));
  };
  const named = (name: string) => departures.dedupedBy("flightId", { within, name });
  assert.match(problems(named("departures")), /step "departures": has the name of another step/);
  const twice = named("once").dedupedBy("origin", { within, name: "once" });
  assert.match(problems(twice), /"once" is there twice with different settings/);
  assert.match(
    problems(named("A..b")),
    /dedupedBy\("flightId"\) of "departures", name "A..b": its name becomes part of topic names/,
  );
  assert.equal(problems(named("once")), "");
});

test("explanations tell from 1 to 100 features, whose names are no columns of theirs", () => {
  const scores = (top: number, name = "miles") =>
    problemsOf(() =>
      topology("t", {
        scores: departures
          .enrichedWith({}, { missing: "null", request: { [name]: "distanceMiles" } })
          .scoredBy("late", {
            ...{ model: "@champion", deadline: "20ms", fallback: prior(0.2) },
            explain: { top },
          })
          .into(topic("scores")),
      }),
    );
  for (const top of [0, 1.5, 101]) {
    assert.match(
      scores(top),
      new RegExp(`step "scores": explain tells the top ${top} features: write 1 to 100`),
    );
  }
  assert.equal(scores(100), "");
  assert.match(scores(1, "explanationOf"), /feature "explanation_of" exists already/);
});

test("a stream whose records lost what tells them apart is not scored by what took its name", () => {
  const scores = (stream: typeof departures) =>
    problemsOf(() =>
      topology("t", {
        scores: stream
          .enrichedWith({}, { missing: "null", request: { miles: "distanceMiles" } })
          .scoredBy("late", { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
          .into(topic("scores")),
      }),
    );
  const other = departures.select({ flightId: "localHour", distanceMiles: "distanceMiles" });
  assert.match(scores(wrong(other)), /step "scores": select\(\) left out the field that tells its/);
  const without = departures.select({ distanceMiles: "distanceMiles" });
  assert.match(
    scores(wrong(without)),
    /step "scores": select\(\) left out the field that tells its/,
  );
  const twice = without.select({
    flightId: gt("distanceMiles", 1),
    distanceMiles: "distanceMiles",
  });
  assert.match(scores(wrong(twice)), /step "scores": select\(\) left out the field that tells its/);
  assert.equal(scores(wrong(other.identifiedBy("flightId"))), "");
  const copied = departures.select({ id: "flightId", distanceMiles: "distanceMiles" });
  assert.equal(scores(wrong(copied)), "");
});

test("select makes no field with the name that every object has for its prototype", () => {
  const fields = Object.fromEntries([["__proto__", "origin"]]);
  const view = departures
    .select(wrong(fields))
    .keyedBy(wrong("__proto__"))
    .over("1h")
    .compute({ n: agg.count() })
    .asFeatureView("n@1", { ttl: "1d" })
    .into(online);
  assert.match(
    problemsOf(() => topology("t", { view })),
    /select\(\) makes a field "__proto__"/,
  );
});

test("no source has a field with the name that every object has for its prototype", () => {
  const odd = recordSchema<{ readonly id: string; readonly at: number }>({
    type: "record",
    name: "Odd",
    fields: [
      { name: "id", type: "string" },
      { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
      { name: "__proto__", type: "string" },
    ],
  });
  const view = from("odd", odd)
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("id")
    .keyedBy("id")
    .over("1h")
    .compute({ n: agg.count() })
    .asFeatureView("n@1", { ttl: "1d" })
    .into(online);
  assert.match(
    problemsOf(() => topology("t", { view })),
    /source "odd": .*"__proto__": leave it/,
  );
});

test("values of lists, too many texts in a row, and what is made of no text are refused", () => {
  const view = (aggregates: Record<string, unknown>) =>
    arrivals
      .keyedBy("origin")
      .over("1h", "2h")
      .compute(wrong(aggregates))
      .asFeatureView("texts@1", { ttl: "2h" })
      .into(online);
  const none = problemsOf(() => topology("t", { view: view({ last: agg.last("none") }) }));
  assert.match(
    none,
    /last\("none"\) needs a field of arrivals that is text, a number or a boolean/,
  );
  const texts = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, agg.last("origin")]));
  assert.equal(
    problemsOf(() => topology("t", { view: view(texts(7)) })),
    "",
  );
  const many = problemsOf(() => topology("t", { view: view(texts(8)) }));
  assert.match(many, /view "texts@1": has 16 columns of texts; 15 are the most: part it/);
  const made = (field: string) => {
    const scores = departures
      .enrichedWith(
        { at: wrong(view({ n: agg.count(), to: agg.last("destination") }).at("origin")) },
        {
          missing: "null",
        },
      )
      .derived(wrong({ to: oneHot(field, ["ORD"]) }))
      .scoredBy("late", { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
      .into(topic("scores"));
    return problemsOf(() => topology("t", { scores }));
  };
  assert.equal(made("at_to_1h"), "");
  assert.match(
    made("at_n_1h"),
    /derived feature "to_ord": "at_n_1h" is no text of a look-up; there are "at_to_1h", "at_to_2h"/,
  );
});

test("more features than an answer to a look-up, or a vector, may have are one problem each", () => {
  const many = Object.fromEntries(Array.from({ length: 251 }, (_, i) => [`n${i}`, agg.count()]));
  const wide = departures
    .keyedBy("origin")
    .over("15m", "1h", "3h", "24h")
    .compute(many)
    .asFeatureView("wide@1", { ttl: "48h" })
    .into(online);
  assert.throws(
    () => topology("wide", { wide }),
    /view "wide@1": has 1004 features; 1000 are the most/,
  );
});

test("a field of Protobuf that is not read is refused where a step names it, with what it is", () => {
  const proto = `syntax = "proto3";
message Payment {
  string id = 1;
  int64 at = 2;
  map<string, string> labels = 3;
  repeated Line lines = 4;
  repeated string tags = 5;
  Payment earlier = 6;
}
message Line { double amount = 1; }`;
  /** As somebody may declare it who does not know. */
  interface Payment {
    readonly id: string;
    readonly at: number;
    readonly labels: string;
    readonly lines: { readonly amount: number };
    readonly earlier: { readonly id: string };
  }
  const given = from("payments", protobuf<Payment>({ message: "Payment", proto }))
    .timedBy("at", { lateness: "1m", unit: "ms" })
    .repartitionedBy("id");
  const count = { n: agg.count() };
  const options = { ttl: "1d" } as const;
  const problems = (view: Parameters<typeof topology>[1][string]) =>
    problemsOf(() => topology("unread", { view }));
  const byId = given.keyedBy("id").over("1h");
  const viewOf = (keyed: Pick<typeof byId, "compute">) =>
    keyed.compute(count).asFeatureView("view@1", options).into(online);
  assert.equal(problems(viewOf(byId)), "");
  assert.match(
    problems(viewOf(given.keyedBy("labels").over("1h") as never)),
    /; "labels" of payments is a map, which is not read$/m,
  );
  const sum = byId.compute({ n: agg.sum("lines.amount") });
  assert.match(
    problems(sum.asFeatureView("view@1", options).into(online)),
    /; "lines" of payments is a list of messages, which is not read$/m,
  );
  const earlier = given.where(eq("earlier.id", "a"));
  assert.match(
    problems(viewOf(earlier.keyedBy("id").over("1h"))),
    /; "earlier" of payments is a message within itself, which is not read$/m,
  );
  const chosen = given.select({ id: "id", l: "labels" });
  assert.match(
    problems(viewOf(chosen.keyedBy("id").over("1h") as never)),
    /; "labels" of payments is a map, which is not read$/m,
  );
  assert.doesNotMatch(problems(viewOf(given.keyedBy(wrong("nothing")).over("1h"))), /not read/);
});
