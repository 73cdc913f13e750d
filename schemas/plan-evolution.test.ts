/** What a plan means where another one stands, without any server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ShopOptions, shopTopology } from "../testing/shops-fixture.ts";
import { type Growth, type Plan, stepsOf } from "./plan.ts";
import { isRefused } from "./plan-changes.ts";
import { evolution, type Standing } from "./plan-evolution.ts";
import { completeSince, takesOverAt } from "./plan-names.ts";
import { type PlanPart, partsOf, stateFingerprint } from "./plan-parts.ts";

const shops = (options: ShopOptions = {}) => shopTopology("shops", 4, options);
const small = shops();
const wide = shops({ counted: true });
const wider = shops({ counted: true, windows: ["1h", "3h"] });

/** As parts come back from Kafka. */
const stored = (plan: Plan) => JSON.parse(JSON.stringify(partsOf(plan))) as PlanPart[];
const growth = (cutOver: boolean, since: number | null = null): Growth => ({
  completeSince: { large_1h: since, large_3h: since, orders_1h: since, orders_3h: since },
  cutOver,
});

function standing(plan: Plan, ...strands: readonly (readonly [Plan, Growth])[]): Standing {
  const all = strands.map(([strand, known]) => {
    const parts = stored(strand);
    const view = parts.find(({ kind }) => kind === "view");
    assert.ok(view !== undefined);
    return { parts, view, growth: known };
  });
  return { parts: stored(plan), strands: new Map([["shop@1", all]]), begun: new Map() };
}

const lines = (all: ReturnType<typeof evolution>) =>
  all.changes.map(({ kind, part, what }) => `${kind} ${part}: ${what}`);
const names = (plans: readonly Plan[]) => plans.map(({ name }) => name);
const strandIn = ({ running }: ReturnType<typeof evolution>): Plan => {
  const strand = running.at(-1);
  assert.ok(strand !== undefined);
  return strand;
};

test("what stood goes on with its columns, its state and the vectors of its steps", () => {
  const found = evolution(standing(small), wide);
  assert.deepEqual(lines(found), [
    "grow view shop@1: gets orders_1h; the vector of scores stays without them, as its models " +
      "were trained on it (for another vector give the topology another name, or start over)",
  ]);
  assert.ok(!isRefused(found.changes));
  const [trunk, strand] = found.running;
  assert.ok(trunk !== undefined && strand !== undefined);
  assert.deepEqual(partsOf(trunk), partsOf(small));
  for (const [index, each] of trunk.subtopologies.entries()) {
    const before = small.subtopologies[index];
    assert.ok(before !== undefined);
    assert.deepEqual(stateFingerprint(each), stateFingerprint(before), each.name);
  }
  assert.deepEqual(trunk.topics, small.topics);
  const shared = new Set(small.topics.map(({ name }) => name));
  assert.deepEqual(
    strand.topics.map(({ name }) => name).filter((name) => shared.has(name)),
    ["orders", "shops.orders.watermarks"],
  );
  assert.deepEqual(
    strand.stored.map(({ table, online }) => [table?.name, online?.view]),
    [["shop_v1_l2", "shop@1.l2"]],
  );
});

test("a layout that runs is the same again, and one with fewer columns is refused", () => {
  const strand = strandIn(evolution(standing(small), wide));
  const stands = standing(small, [strand, growth(true)]);
  assert.deepEqual(lines(evolution(stands, wide)), []);
  for (const [plan, text] of [
    [small, /^break view shop@1: no more: orders_1h/],
    [shops({ windows: ["1h", "3h"] }), /^break view shop@1: no more: /],
  ] as const) {
    const found = evolution(stands, plan);
    assert.ok(isRefused(found.changes));
    assert.match(lines(found).join("\n"), text);
  }
});

test("the next layout takes the place of the last that is served, and of none that is not", () => {
  const second = strandIn(evolution(standing(small), wide));
  const [served, unfinished] = [true, false].map((cutOver) =>
    evolution(standing(small, [second, growth(cutOver)]), wider),
  );
  assert.ok(served !== undefined && unfinished !== undefined);
  assert.deepEqual(
    [served, unfinished].map(({ running, retired }) => [names(running), names(retired)]),
    [
      [["shops", "shops.shop.v1.l2", "shops.shop.v1.l3"], []],
      [["shops", "shops.shop.v1.l3"], ["shops.shop.v1.l2"]],
    ],
  );
  assert.deepEqual(
    [served, unfinished].map((each) => strandIn(each).widens?.strand),
    ["shops.shop.v1.l2", "shops"],
  );
  const third = strandIn(served);
  const after = evolution(standing(small, [second, growth(true)], [third, growth(true)]), wider);
  assert.deepEqual(
    [names(after.running), names(after.retired)],
    [["shops", "shops.shop.v1.l3"], ["shops.shop.v1.l2"]],
  );
});

test("a version that grew as a strand grows again, beside itself", () => {
  const two = shops({ second: ["1h"] });
  const strand = strandIn(evolution(standing(small), two));
  const stands: Standing = {
    ...standing(small),
    strands: new Map([
      ["shop@2", standing(small, [strand, growth(true)]).strands.get("shop@1") ?? []],
    ]),
  };
  const found = evolution(stands, shops({ second: ["1h", "3h"] }));
  assert.deepEqual(lines(found), ["grow view shop@2: gets large_3h, orders_3h"]);
  assert.deepEqual(names(found.running), ["shops", "shops.shop.v2", "shops.shop.v2.l2"]);
});

test("columns that stood are right since when they were; the cut-over waits for all of them", () => {
  const begun = strandIn(evolution(standing(small), wide));
  const strand = { ...begun, growth: growth(false, 5) };
  assert.deepEqual(
    [takesOverAt(strand), completeSince(strand, "large_1h"), completeSince(strand, "orders_1h")],
    [5, null, 5],
  );
  assert.equal(takesOverAt({ ...begun, growth: growth(false) }), null);
});

test("where a plan cannot be compiled with what stood, columns are refused as they were", () => {
  const { withColumns: _, ...copied } = { ...wide };
  const found = evolution(standing(small), copied);
  assert.ok(isRefused(found.changes));
  assert.match(lines(found).join("\n"), /grow view shop@1: gets orders_1h/);
});

test("features in another order are the same, in what stood and in a layout", () => {
  const [view] = stepsOf(wide, "view");
  assert.ok(view !== undefined && wide.withColumns !== undefined);
  const aggregates = view.aggregates.toReversed();
  const is = wide.withColumns(new Map([["shop@1", { ...view, aggregates }]]));
  assert.notDeepEqual(partsOf(is), partsOf(wide));
  const back = evolution(standing(is), wide);
  assert.deepEqual([lines(back), names(back.running)], [[], ["shops"]]);
  assert.deepEqual(partsOf(back.running[0] as Plan), partsOf(is), "it keeps the order that it has");
  const strand = strandIn(evolution(standing(small), is));
  assert.deepEqual(lines(evolution(standing(small, [strand, growth(true)]), wide)), []);
});
