import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRunSettings } from "../../cli/run/check-run-settings.ts";
import { type CheckedValues, resolveConfig } from "../../runtime/config.ts";
import flights from "./app.ts";
import type { FlightsConfig } from "./flights-settings.ts";
import { readInjections } from "./injections.ts";

const { settings: own, check, topologies } = flights;
const checkAll = (checked: CheckedValues) => [
  ...check(checked),
  ...checkRunSettings(topologies, checked),
];

const of = (flags: Record<string, unknown>) =>
  resolveConfig({ own, flags, env: {}, file: "none", check: checkAll }) as unknown as {
    readonly config: FlightsConfig;
  };

test("ranges beyond the flights, each injection and topics to slow are said together", () => {
  const flags = {
    ...{ to: "2002-01-01", seed: "x", slow: ["flights.nonsense=2"] },
    inject: ["late:1", "noise:1%", "permute@2001-02-30", "late:2%"],
  };
  assert.throws(
    () => of(flags),
    (error: Error & { code: string }) => {
      assert.equal(error.code, "CONFIG_INVALID");
      for (const part of [
        /has 7 to correct/,
        /--seed: "x"/,
        /--to: the flights lie between .*2001-07-02.* goes beyond/,
        /--inject: "late:1": "1" is not a percentage/,
        /--inject: "noise:1%": there is no such injection/,
        /--inject: "permute@2001-02-30": "2001-02-30" is not a date/,
        /--inject: "late:2%": late is given twice; write one of .*duplicates:1%/,
        /--slow: flights\.nonsense is no source topic; there are flights\.arrivals/,
      ]) {
        assert.match(error.message, part);
      }
      return true;
    },
  );
});

test("a check sees the values that can be read, though others cannot", () => {
  assert.throws(() => of({ from: "2000-12-31", to: "soon" }), /has 1 to correct.*soon/s);
  assert.throws(() => of({ to: "2001-01-02", inject: ["disorder:11m"] }), /up to 10m late/);
  assert.equal(of({ to: "2001-07-02", inject: ["late:1%"] }).config.to, Date.UTC(2001, 6, 2));
});

test("in live mode, where it says nothing, the range is not checked", () => {
  const sources = { own, env: { MILLRACE_TO: "2002-01-01" }, file: "none", check: checkAll };
  assert.equal(resolveConfig({ ...sources, flags: { live: true } }).config.live, true);
  assert.throws(() => resolveConfig(sources), /MILLRACE_TO: the flights lie between/);
});

test("a summary is not written into the data directory, which --fresh empties", () => {
  const flags = (summary: string) => ({ data: "some/data", summary });
  assert.throws(
    () => of(flags("some/data/summary.json")),
    /--summary: .* lies in the data directory/,
  );
  assert.throws(() => of(flags("some/data.json")), /--summary: there is no directory some/);
  assert.equal(of(flags("summary.json")).config.summary, "summary.json");
});

test("the end must lie behind the start", () => {
  assert.throws(() => of({ from: "2001-02-01", to: "2001-01-02" }), /must lie before to/);
});

test("a repeatable flag takes several texts parted by commas too", () => {
  const sources = { own, env: { MILLRACE_INJECT: "late:1%, disorder:5m" }, file: "none" };
  const { config } = resolveConfig(sources) as unknown as { config: { inject: string[] } };
  assert.deepEqual(config.inject, ["late:1%", "disorder:5m"]);
  const flags = { inject: ["late:1%,disorder:5m", "x"] };
  const given = resolveConfig({ ...sources, flags }) as unknown as { config: { inject: string[] } };
  assert.deepEqual(given.config.inject, ["late:1%", "disorder:5m", "x"]);
});

test("injections that are understood are read beside those that are not", () => {
  const { injections, problems } = readInjections(["late:1%", "noise:1%"], 3, 600_000);
  assert.deepEqual([injections.lateShare, injections.seed], [0.01, 3]);
  assert.deepEqual(problems, [{ text: "noise:1%", reason: "there is no such injection" }]);
});

test("live mode waits for records and for the clock an hour at most", () => {
  assert.equal(of({ live: true, maxWait: "1h" }).config.maxWait, 3_600_000);
  for (const flag of ["maxWait", "maxAhead"]) {
    assert.throws(() => of({ live: true, [flag]: "61m" }), /--max-(wait|ahead): write at most 1h/);
  }
});
