import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type CheckedValues, resolveConfig } from "../config.ts";
import { setting } from "./setting.ts";
import { duration, parseTime, time } from "./setting-types.ts";
import { flagName, settingNames, settings, variableName } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-config-"));
after(() => rmSync(folder, { recursive: true }));

function file(content: unknown): string {
  const path = join(folder, "millrace.config.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

test("without any source every setting has its default", () => {
  const { config, origins } = resolveConfig({ env: {}, file: join(folder, "none.json") });
  assert.equal(config.http, null);
  assert.deepEqual(config.kafkaBrokers, []);
  assert.ok(Object.values(origins).every((origin) => origin === "default"));
});

test("a flag beats a variable, a variable beats the file, the file beats the default", () => {
  const path = file({ data: "a", workers: 2, scoringThreads: 3 });
  const env = { MILLRACE_DATA: "b", MILLRACE_STACK: "local", HOME: "/" };
  const { config, origins } = resolveConfig({ flags: { data: "c" }, env, file: path });
  assert.deepEqual([config.data, config.stack, config.scoringThreads], ["c", "local", 3]);
  assert.deepEqual(
    ["data", "stack", "scoringThreads", "fresh"].map((name) => origins[name]),
    ["--data", "MILLRACE_STACK", `${path}: scoringThreads`, "default"],
  );
});

test("all problems of all sources are reported together", () => {
  const path = file({ dta: 1, maxWait: "tomorrow" });
  const sources = {
    flags: { http: "70000" },
    env: { MILLRACE_SCORING_THREAD: "2", MILLRACE_WORKERS: "x" },
    file: path,
  };
  assert.throws(
    () => resolveConfig(sources),
    (error: Error & { code: string }) => {
      assert.equal(error.code, "CONFIG_INVALID");
      for (const part of [
        /did you mean MILLRACE_SCORING_THREADS\?/,
        /dta: there is no such setting \(did you mean data\?\)/,
        /--http: "70000"/,
        /MILLRACE_WORKERS: "x"/,
        /maxWait: "tomorrow": write a duration/,
        /has 5 to correct/,
      ]) {
        assert.match(error.message, part);
      }
      return true;
    },
  );
});

test("what the command line and a check find is reported with the rest", () => {
  const seen: unknown[] = [];
  const sources = {
    ...{ flags: { workers: "x", rowTopicMb: "3" }, env: { MILLRACE_SED: "1" }, file: "none" },
    problems: ["--tu: run takes no such flag"],
    check: ({ values, origins }: CheckedValues) => {
      seen.push(values.workers, values.rowTopicMb, origins.get("rowTopicMb"), origins.get("data"));
      return ["--row-topic-mb: is odd"];
    },
  };
  assert.throws(
    () => resolveConfig(sources),
    /has 4 to correct:\n- --tu: .*\n- MILLRACE_SED: .*\n- --workers: .*\n- --row-topic-mb: is odd$/,
  );
  assert.deepEqual(seen, [undefined, 3, "--row-topic-mb", "default"]);
});

test("a file that is no JSON object is named", () => {
  for (const text of ["[1]", "{", "3"]) {
    assert.throws(() => resolveConfig({ env: {}, file: file(text) }), /millrace\.config\.json/);
  }
});

test("an application adds settings, and gives others its own default", () => {
  const own = {
    from: setting(time, { default: "2001-01-01", doc: "Start.", commands: ["run"] }),
    maxWait: setting(duration, { default: "9s", doc: "Wait.", commands: ["run"], mode: "live" }),
  };
  const { config, shown } = resolveConfig({ own, env: {}, file: "none" });
  assert.deepEqual([shown["from"], config.maxWait], ["2001-01-01", 9_000]);
  const replay = { own, flags: { maxWait: "1s" }, env: {}, file: "none" };
  assert.throws(() => resolveConfig(replay), /--max-wait: goes with --live/);
  const unknown = { env: { MILLRACE_FROM: "2001-01-01" }, file: "none" };
  assert.throws(() => resolveConfig(unknown), /MILLRACE_FROM: there is no such setting/);
});

test("ports, switches and lists are read as people write them", () => {
  const env = {
    MILLRACE_HTTP: "8123",
    MILLRACE_METRICS: "off",
    MILLRACE_FRESH: "true",
    MILLRACE_SLOW: "a=1, b=2",
  };
  const { config } = resolveConfig({ env, file: "none" });
  assert.deepEqual(
    [config.http, config.metrics, config.fresh, [...config.slow.keys()]],
    [8123, null, true, ["a", "b"]],
  );
});

test("servers are read as host:port, parted by commas", () => {
  const env = { MILLRACE_KAFKA_BROKERS: "kafka-1:9092, kafka-2:65535" };
  assert.equal(resolveConfig({ env, file: "none" }).config.kafkaBrokers.length, 2);
  for (const text of ["kafka:65536", "kafka:0", "kafka"]) {
    const brokers = { MILLRACE_KAFKA_BROKERS: text };
    assert.throws(() => resolveConfig({ env: brokers, file: "none" }), /write host:port/, text);
  }
});

test("the local stack has a directory of its own, and flags of another stack are refused", () => {
  const sources = { env: {}, file: "none" };
  const of = (flags: Record<string, string>) => resolveConfig({ ...sources, flags }).config;
  assert.equal(of({ stack: "local" }).data, ".millrace/local");
  assert.equal(of({ stack: "local", data: "x" }).data, "x");
  assert.equal(of({ stack: "local", kafkaPort: "29092" }).kafkaPort, 29_092);
  assert.throws(() => of({ kafkaPort: "29092" }), /--kafka-port: goes with --stack local/);
  assert.throws(() => of({ stack: "local", http: "0" }), /--http: goes with --stack embedded/);
  assert.throws(() => of({ stack: "local", redisPort: "0" }), /from 1 to 65535/);
});

test("several workers want servers; factors are read as TOPIC=FACTOR, from 1 on", () => {
  const sources = { env: {}, file: "none" };
  const of = (flags: Record<string, unknown>) => resolveConfig({ ...sources, flags }).config;
  assert.equal(of({ stack: "local", workers: "3" }).workers, 3);
  assert.throws(() => of({ workers: "2" }), /--workers: several workers.*add --stack local/);
  assert.throws(() => of({ workers: "0" }), /from 1 to 64/);
  assert.deepEqual(Object.fromEntries(of({ slow: ["a=10", "b=1.5"] }).slow), { a: 10, b: 1.5 });
  for (const text of ["a=0.5", "a", "=2", "a=ten"]) {
    assert.throws(() => of({ slow: [text] }), /--slow: .*write TOPIC=FACTOR/, text);
  }
});

test("times are UTC, and days that do not exist are refused", () => {
  assert.equal(parseTime("2001-01-15"), Date.UTC(2001, 0, 15));
  assert.equal(parseTime("2001-01-15T06:30"), Date.UTC(2001, 0, 15, 6, 30));
  assert.equal(parseTime("2001-01-15T06:30:01.5Z"), Date.UTC(2001, 0, 15, 6, 30, 1, 500));
  for (const text of ["2001-02-30", "2001-13-01", "15.1.2001", "2001-01-15T25:00", ""]) {
    assert.equal(parseTime(text), null, text);
  }
});

test("every setting has a doc line, and its default is accepted", () => {
  for (const name of settingNames) {
    assert.match(settings[name].doc, /\.$/);
    assert.doesNotThrow(() => settings[name].read(settings[name].default), name);
  }
  assert.equal(flagName("commitIntervalMs"), "commit-interval-ms");
  assert.equal(variableName("commitIntervalMs"), "MILLRACE_COMMIT_INTERVAL_MS");
});
