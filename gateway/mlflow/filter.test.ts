import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Found, meets, parseFilter, type Searchable } from "./filter.ts";
import { ordered, pageOf, parseOrder } from "./order.ts";

const searchable: Searchable = {
  what: "runs",
  fields: {
    status: { name: "status", type: "text" },
    start_time: { name: "start_time", type: "number" },
  },
  entities: ["metric", "param", "tag"],
};
type Thing = Readonly<Record<string, Found>>;
const read = (thing: Thing, entity: string, key: string): Found =>
  thing[entity === "attribute" ? key : `${entity}.${key}`] ?? null;

function finds(filter: string, thing: Thing): boolean {
  return meets(thing, parseFilter(filter, searchable), read);
}

test("a filter is conditions joined by AND, of fields, metrics, params and tags", () => {
  const run = {
    status: "FINISHED",
    start_time: 5,
    "metric.auc": 0.75,
    "tag.my tag": "it's",
    "param.a.b": "x",
  };
  const met = [
    ...["", "  ", "status = 'FINISHED'", 'attributes.status = "FINISHED"', "attr.start_time >= 5"],
    ...[
      "metrics.auc > 0.7 and metric.auc < 7.6e-1",
      "metrics.`auc` != 1",
      "tags.\"my tag\" = 'it''s'",
    ],
    ...["tags.`my tag` LIKE 'it%' AND params.a.b IN ('y', 'x')", "param.a.b NOT IN ('y')"],
    ...["tags.`my tag` ILIKE 'IT_S'", "tags.none IS NULL", "tags.`my tag` is not null"],
  ];
  for (const filter of met) assert.ok(finds(filter, run), filter);
  const missed = [
    ...["status = 'RUNNING'", "metrics.auc > 0.7 AND metrics.auc > 0.8", "tags.none != 'x'"],
    ...["tags.`my tag` LIKE 'IT%'", "params.a.b IN ('y')", "tags.none NOT IN ('y')"],
    ...["tags.`my tag` IS NULL", "params.a.b LIKE 'x_'"],
  ];
  for (const filter of missed) assert.ok(!finds(filter, run), filter);
});

test("what is no filter is refused with the character where it goes wrong", () => {
  const wrong = [
    ["status = FINISHED", /character 10: status is a text: write it in quotes/],
    ["metrics.auc > 'much'", /character 15: auc is a number/],
    ["metrics.auc LIKE '1%'", /auc is a number: compare it with/],
    ["status > 'A'", /status is a text: compare it with/],
    ["stats = 'A'", /character 1: runs have no "stats"; there are status, start_time, metrics\.…/],
    ["datasets.name = 'x'", /runs have no datasets/],
    ["status = 'A' OR status = 'B'", /character 14: conditions are joined by AND alone/],
    ["status = 'A' status = 'B'", /character 14: AND is expected/],
    ["status", /character 7: a comparison is expected/],
    ["constructor.name = 'x'", /runs have no "constructor"; there are status/],
    ["status IN ('A'", /a comma or the end of the list/],
    ["status = 'A' AND", /the name of a field is expected/],
    ["status = 'A", /write it in quotes/],
  ] as const;
  for (const [filter, message] of wrong) {
    assert.throws(() => parseFilter(filter, searchable), { code: "REQUEST_INVALID", message });
  }
});

test("LIKE is what its definition by recursion says, for any text and pattern", () => {
  const naive = (text: string, pattern: string): boolean => {
    if (pattern === "") return text === "";
    const [first, rest] = [pattern[0], pattern.slice(1)];
    if (first === "%") return naive(text, rest) || (text !== "" && naive(text.slice(1), pattern));
    return text !== "" && (first === "_" || first === text[0]) && naive(text.slice(1), rest);
  };
  const letters = (all: string) => fc.string({ unit: fc.constantFrom(...all), maxLength: 9 });
  fc.assert(
    fc.property(letters("ab."), letters("ab.%_"), (text, pattern) => {
      const found = finds(`tags.t LIKE '${pattern}'`, { "tag.t": text });
      assert.equal(found, naive(text, pattern), `${text} LIKE ${pattern}`);
    }),
  );
});

test("pages follow each other to the end in an order in which what has no value comes last", () => {
  const things: Thing[] = [3, null, 1, 2, Number.NaN, 2].map((auc, id) => {
    return { "metric.auc": auc, start_time: id };
  });
  const order = parseOrder(["metrics.auc DESC", "start_time"], searchable);
  const all = ordered(things, order, read).map((each) => each["start_time"]);
  assert.deepEqual(all, [0, 3, 5, 2, 1, 4]);
  const paged: unknown[] = [];
  let page_token = "";
  do {
    const { things: some, next_page_token = "" } = pageOf(all, { max_results: 4, page_token }, 10);
    paged.push(...some);
    page_token = next_page_token;
  } while (page_token !== "");
  assert.deepEqual(paged, all);
  assert.throws(() => pageOf(all, { max_results: 11, page_token: "" }, 10), /from 1 to 10/);
  assert.throws(() => pageOf(all, { max_results: 1, page_token: "x" }, 10), /none of this server/);
  assert.throws(() => parseOrder(["metrics.auc", "nothing DESC"], searchable), /order_by\[1\]/);
});
