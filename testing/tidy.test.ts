/** The style of this repository, as far as a machine can check it: see docs/decisions. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { errorTable } from "../schemas/errors.ts";
import { packageRoot } from "../schemas/package-root.ts";
import {
  arrowViolations,
  importCycles,
  isTestFile,
  unreachable,
  workerFiles,
} from "./tidy/arrows.ts";
import { inheritedEnvironments } from "./tidy/child-processes.ts";
import { fieldsWithoutDefault } from "./tidy/options.ts";
import { repositoryText, type SourceFile, sourceFiles } from "./tidy/source-tree.ts";

const files = sourceFiles();
const product = files.filter((file) => !isTestFile(file.path));

/** Where execution or compilation begins. A file that none of them reaches is dead. */
const entries: readonly string[] = [
  "index.ts",
  "run.ts",
  "client.ts",
  "testing/index.ts",
  "cli/main.ts",
  "cli/millrace.mjs",
  "cli/start.mjs",
  "testing/package/try.mjs",
  "loadtest/broker.ts",
  "loadtest/chaos.ts",
  "loadtest/determinism.ts",
  "loadtest/gate.ts",
  "loadtest/features.js",
  "loadtest/ingest-http.js",
  "loadtest/oip.js",
  "loadtest/predict.js",
  "loadtest/ingest-kafka.js",
  "loadtest/k6.ts",
  "loadtest/kills.ts",
  "loadtest/latency.ts",
  "loadtest/live.ts",
  "loadtest/micro-batches.ts",
  "loadtest/native.ts",
  "loadtest/predictions-away.ts",
  "loadtest/scenarios.ts",
  "loadtest/scoring-stress.ts",
  "loadtest/serving.ts",
  "loadtest/six-months.ts",
  "loadtest/start.ts",
  "schemas/generate.ts",
  "stacks/local/archive-classes.ts",
  "examples/card-payments/app.ts",
  "examples/card-payments/app-json.ts",
  "examples/flights/app.ts",
  "examples/producers/app.ts",
  "examples/producers/send-kafkajs.mjs",
  "cli/init/project/app.ts",
  "examples/tutorial/app.ts",
  "examples/writing-a-topology/card-payments.ts",
];

/** Adapters of ports that the default stack does not use: their conformance suites reach them. */
const adapters = [
  "broker/kafka/",
  "runtime/schema-registry/confluent",
  "stacks/local/",
  "sinks/clickhouse/",
  "sinks/redis/",
];

/** Started as processes or threads of their own. */
const workers = workerFiles(files);

test("imports follow the arrows between the rooms", () => {
  assert.deepEqual(arrowViolations(files), []);
});

test("no import leads back to where it came from", () => {
  assert.deepEqual(importCycles(files), []);
});

test("every file is reached from an entry, a worker or a test", () => {
  const roots = [...entries, ...workers];
  const tests = files.filter((file) => isTestFile(file.path)).map((file) => file.path);
  const fromTests = new Set(unreachable(files, [...roots, ...tests]));
  const dead = unreachable(files, roots).filter((path) => {
    const servesTests = isTestFile(path) || path.startsWith("testing/");
    const isAdapter = adapters.some((prefix) => path.startsWith(prefix));
    return fromTests.has(path) || !(servesTests || isAdapter);
  });
  assert.deepEqual(dead, []);
});

test("a file over 400 lines says in its first lines why it is long", () => {
  const long = files.filter(
    (file) =>
      file.lines.length > 400 &&
      !isGenerated(file.path) &&
      !file.lines.slice(0, 30).some((line) => line.includes("Why long:")),
  );
  assert.deepEqual(paths(long), []);
});

test("a line has at most 100 characters unless it is one string, a test's name or a table's row", () => {
  const found: string[] = [];
  for (const file of files) {
    if (isGenerated(file.path)) continue;
    file.lines.forEach((line, index) => {
      if (line.length > 100 && !cannotBeCut(line)) found.push(`${file.path}:${index + 1}`);
    });
  }
  assert.deepEqual(found, []);
});

test("files are named in kebab-case for what they hold, and never for a drawer", () => {
  const drawer = /(^|[/-])(utils?|helpers?|common|misc|manager)([./-]|$)/;
  const kebab = /^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.(test|types))?\.(c?ts|m?js)$/;
  assert.deepEqual(
    paths(files.filter((file) => drawer.test(file.path) || !kebab.test(file.path))),
    [],
  );
});

test("every error code is thrown somewhere", () => {
  const used = product.filter((file) => file.path !== "schemas/errors.ts");
  const unused = Object.keys(errorTable).filter(
    (code) => !used.some((file) => file.text.includes(`"${code}"`)),
  );
  assert.deepEqual(unused, []);
});

test("every optional field of an options interface states its default", () => {
  assert.deepEqual(product.flatMap(fieldsWithoutDefault), []);
});

test("a rejection is awaited where it is asserted", () => {
  const floating = /^\s*assert\.(rejects|doesNotReject)\(/;
  const found = files.flatMap((file) =>
    file.lines.flatMap((line, index) => {
      if (!floating.test(line)) return [];
      return /(=>|return|await)\s*\(?$/.test(file.lines[index - 1] ?? "")
        ? []
        : [`${file.path}:${index + 1}`];
    }),
  );
  assert.deepEqual(found, []);
});

test("only configuration and setup read the environment", () => {
  const allowed = /^(runtime\/config(\.ts|\/)|stacks\/local\/|testing\/|cli\/(start\.mjs|setup\/))/;
  const found = product.filter(
    (file) => file.text.includes("process.env") && !allowed.test(file.path),
  );
  assert.deepEqual(paths(found), []);
});

test("a program that is started gets an environment without our settings", () => {
  // Of the setup those who start a program say it, and not the one function that they share.
  const shipped = product.filter(({ path }) => /^(?!cli\/setup|loadtest|testing)/.test(path));
  assert.ok(shipped.filter(({ text }) => text.includes('"node:child_process"')).length > 6);
  assert.deepEqual(inheritedEnvironments(shipped), []);
});

test("no product file but those of flights knows of flights", () => {
  const apart = /^(topologies\/flights|examples|loadtest)\//;
  // What is under way is in flight.
  const found = product.filter(
    (file) => !apart.test(file.path) && /flight/i.test(file.text.replace(/in[\s_*]*flight/gi, "")),
  );
  assert.deepEqual(paths(found), []);
});

test("every invariant names a test that exists", () => {
  const page = repositoryText("docs/invariants.md") ?? "";
  const invariants = [...page.matchAll(/^## \d+\. (.+)$/gm)];
  assert.ok(invariants.length >= 9, "docs/invariants.md lists the nine promises.");
  for (const section of page.split(/^## /m).slice(1)) {
    assert.match(section, /Enforced by: `/, `No test: ${section.split("\n")[0]}`);
  }
  const named = [...page.matchAll(/`([\w./-]+\.test\.ts)`: "([^"]+)"/g)];
  const missing = named.filter(([, path, name]) => {
    const text = repositoryText(path ?? "");
    return text === null || !text.includes(name ?? "");
  });
  assert.deepEqual(
    missing.map(([whole]) => whole),
    [],
  );
});

/** Left as the generator writes it. */
function isGenerated(path: string): boolean {
  return /(^|\/)generated\.ts$/.test(path);
}

function paths(found: readonly SourceFile[]): string[] {
  return found.map((file) => file.path);
}

/** Strings are not cut, so that they can be searched for; names of tests and rows of tables. */
function cannotBeCut(line: string): boolean {
  const lead = /^\s*(return |throw new \w+\(|(const )?\w+(:| =) )?/;
  if (/^\s*\* \|.*\|$/.test(line) || /^\s*(await t\.)?test\(["'`]/.test(line)) return true;
  return /^(["'`]).*\1[,;:)\s+}\]]*$/.test(line.replace(lead, ""));
}

test("no two decisions share a number", () => {
  const names = readdirSync(join(packageRoot(), "docs", "decisions"));
  assert.ok(names.length > 10);
  const wrong = names.filter((name) => {
    const number = /^(\d{4})-[a-z0-9-]+\.md$/.exec(name)?.[1];
    return names.filter((other) => number !== undefined && other.startsWith(number)).length !== 1;
  });
  assert.deepEqual(wrong, []);
});
