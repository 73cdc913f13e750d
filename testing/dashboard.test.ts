/** Panels and alerts ask for series, labels and values that a run really exports. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { packageRoot } from "../schemas/package-root.ts";
import { freePorts } from "../stacks/local/free-ports.ts";
import { ofFlights } from "./flights-app-fixture.ts";

const main = fileURLToPath(new URL("../cli/main.js", import.meta.url));

/** A series of an expression: its name, the values asked of labels, the labels grouped by. */
interface Asked {
  readonly name: string;
  readonly values: readonly (readonly [label: string, value: string])[];
  readonly labels: readonly string[];
}

test("every panel and alert asks for what a run exports", { timeout: 120_000 }, async () => {
  const exported = samples(await scrapeRun());
  const expressions = [...panelExpressions(), ...alertExpressions()];
  assert.ok(expressions.length > 20);
  for (const expression of expressions) {
    const asked = seriesOf(expression);
    assert.ok(asked.length > 0, expression);
    for (const { name, values, labels } of asked) {
      const found = exported.filter((sample) => sample.name === name);
      assert.ok(found.length > 0, `${expression}: nothing exports ${name}`);
      for (const label of labels) {
        assert.ok(
          found.every((sample) => sample.labels.has(label)),
          `${expression}: ${label}`,
        );
      }
      for (const [label, value] of values) {
        const has = found.some((sample) => sample.labels.get(label) === value);
        assert.ok(has, `${expression}: no ${name} has ${label}="${value}"`);
      }
    }
  }
});

test("what has to be seen has a panel, and what has to be told of an alert", () => {
  const [waiting, ahead] = ["millrace_waiting", "millrace_source_ahead_seconds"];
  const panelled = [waiting, ahead, "millrace_model_put_aside_total"];
  const hung = ["millrace_scoring_hung_runs_total", "millrace_gateway_hung_runs_total"];
  const snapshots = "millrace_gateway_tracking_snapshots_total";
  const alerts = [...panelled, ...hung, snapshots];
  const panels = [
    ...[...panelled, "millrace_state_keys", "millrace_state_bytes"],
    ...["millrace_gateway_predictions_total", "millrace_gateway_rows_waiting"],
    ...[snapshots, "millrace_gateway_tracking_behind_bytes"],
  ];
  const lacks = (expressions: readonly string[]) => (name: string) =>
    !expressions.some((expression) => expression.includes(name));
  assert.deepEqual(panels.filter(lacks(panelExpressions())), []);
  assert.deepEqual(alerts.filter(lacks(alertExpressions())), []);
});

test("a series, a label or a value that nothing exports is noticed", () => {
  const [asked] = seriesOf('sum by (sink) (rate(millrace_sink_lag{topic="a"}[1m]))');
  assert.deepEqual(asked, {
    name: "millrace_sink_lag",
    values: [["topic", "a"]],
    labels: ["sink"],
  });
  const exported = samples('# HELP x\nmillrace_sink_lag{topic="b",sink="online"} 3\nup 1\n');
  assert.deepEqual(
    exported.map(({ name, labels }) => [name, Object.fromEntries(labels)]),
    [
      ["millrace_sink_lag", { topic: "b", sink: "online" }],
      ["up", {}],
    ],
  );
});

function panelExpressions(): string[] {
  const path = join(packageRoot(), "deploy", "grafana", "dashboards", "millrace.json");
  const { panels } = JSON.parse(readFileSync(path, "utf8")) as {
    panels: { targets: { expr: string }[] }[];
  };
  return panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
}

function alertExpressions(): string[] {
  const path = join(packageRoot(), "deploy", "prometheus", "alerts.yml");
  const { groups } = parse(readFileSync(path, "utf8")) as {
    groups: { rules: { expr: string }[] }[];
  };
  return groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
}

function seriesOf(expression: string): Asked[] {
  const labels = [...expression.matchAll(/\bby \(([^)]*)\)/g)]
    .flatMap(([, list = ""]) => list.split(","))
    .map((label) => label.trim());
  return [...expression.matchAll(/\b((?:millrace|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)].map(
    ([, name = "", matchers = ""]) => ({
      name,
      labels: [...new Set(labels)],
      values: [...matchers.matchAll(/(\w+)!?="([^"]*)"/g)].map(
        ([, label = "", value = ""]) => [label, value] as const,
      ),
    }),
  );
}

interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
}

function samples(text: string): Sample[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name = "", list = ""] = /^(\w+)(?:\{(.*)\})? /.exec(line) ?? [];
      const labels = [...list.matchAll(/(\w+)="([^"]*)"/g)];
      return { name, labels: new Map(labels.map(([, label = "", value = ""]) => [label, value])) };
    });
}

const json = { method: "POST", headers: { "content-type": "application/json" } };
const flight = { flightId: 1, departedAt: 978310800000, origin: "ATL", destination: "BOS" };
const clock = { distanceMiles: 900, localHour: 0, localWeekday: 1 };
const asked = JSON.stringify({ record: { ...flight, ...clock } });
const experiments = JSON.stringify({ max_results: 1 });

/** What a short run and its gateway show once its tasks are there; it is stopped then. */
async function scrapeRun(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "millrace-dashboard-"));
  const [port = 0, gateway = 0] = await freePorts(2);
  const ports = ["--metrics", String(port), "--listen", String(gateway)];
  const args = ["run", "--data", folder, "--to", "2001-01-02", ...ports];
  const run = spawn(process.execPath, [main, ...ofFlights(args)], { stdio: "ignore" });
  const ended = once(run, "exit");
  try {
    const ask = (url: string, body?: string) =>
      fetch(url, body === undefined ? {} : { ...json, body }).then(
        (answer) => answer.text(),
        () => "",
      );
    for (;;) {
      await ask(`http://127.0.0.1:${gateway}/v1/predict/predictions`, asked);
      // A tracking log is read once somebody asks for what stands in it.
      await ask(`http://127.0.0.1:${gateway}/api/2.0/mlflow/experiments/search`, experiments);
      const at = [port, gateway].map((each) => ask(`http://127.0.0.1:${each}/metrics`));
      const text = (await Promise.all(at)).join("\n");
      const told = [
        ...[/^millrace_source_records\{/m, /^millrace_progress_seconds\{/m],
        ...[/^millrace_gateway_predictions_total\{/m, /^millrace_gateway_tracking_behind_bytes\{/m],
      ];
      if (told.every((series) => series.test(text))) return text;
      assert.equal(run.exitCode, null, "the run ended");
      await wait(50);
    }
  } finally {
    run.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}
