import assert from "node:assert/strict";
import { test } from "node:test";
import { askedRoutes, changesRoutes } from "./route-options.ts";

const problemsOf = (flags: Readonly<Record<string, unknown>>) => {
  const problems: string[] = [];
  askedRoutes(flags, problems);
  return problems.join("\n");
};

test("shares are percents or parts of one", () => {
  const flags = { challenger: ["r2=5%", "v3=0.25"], shadow: "r4=12.5%", champion: "r1" };
  assert.deepEqual(askedRoutes(flags, []), {
    champion: "r1",
    challengers: [
      { version: "r2", share: 0.05 },
      { version: "v3", share: 0.25 },
    ],
    shadow: { version: "r4", share: 0.125 },
    segment: null,
  });
  const ended = { champion: null, challengers: [], shadow: null, segment: "DE" };
  assert.deepEqual(askedRoutes({ end: true, segment: "DE" }, []), ended);
});

test("without anything that changes routes, they are told", () => {
  assert.equal(changesRoutes({ challenger: [], data: "d", json: true, topology: "t" }), false);
  for (const flags of [{ challenger: ["r2=5%"] }, { end: true }, { segment: "DE" }, { why: "w" }]) {
    assert.equal(changesRoutes(flags), true);
  }
});

test("what says nothing, twice or too much is refused", () => {
  assert.match(problemsOf({}), /give --challenger, --shadow, --champion or --end/);
  for (const text of ["r2", "r2=", "=5%", "r2=101%", "r2=5", "r2=-1%", "r2=0%"]) {
    assert.match(
      problemsOf({ challenger: [text] }),
      /write a version and its share, above 0 and at most 100%, like r2=5%/,
    );
  }
  assert.match(problemsOf({ challenger: ["r2=5%", "r2=6%"] }), /r2 is there twice/);
  assert.match(problemsOf({ challenger: ["r2=60%", "r3=60%"] }), /are 120.0% together/);
  assert.match(problemsOf({ end: true, shadow: "r2=5%" }), /--end: leave it out/);
  assert.match(
    problemsOf({ segment: "DE", shadow: "r2=5%" }),
    /--segment: its records have challengers/,
  );
  assert.equal(problemsOf({ challenger: ["r2=33.3%", "r3=33.3%", "r4=33.4%"] }), "");
});
