import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { runProgram } from "./program.mjs";

/** Files run side by side at most: some start servers. */
const mostFilesAtOnce = 4;

/**
 * Runs the tests of dist and returns the exit code. `args`: options go to `node --test`, anything
 * else selects the test files whose path contains it (`npm test -- sinks/ --test-only`).
 */
export async function runTests(root, args) {
  const dist = join(root, "dist");
  await sayWhatIsMissing(dist);
  const options = args.filter((argument) => argument.startsWith("-"));
  const names = args.filter((argument) => !argument.startsWith("-"));
  const files = testFiles(dist).filter(
    (file) => names.length === 0 || names.some((name) => file.includes(name)),
  );
  if (files.length === 0) {
    console.error(`No test file has ${names.map((name) => `"${name}"`).join(" or ")} in its path.`);
    return 2;
  }
  const filesAtOnce = Math.min(availableParallelism(), mostFilesAtOnce);
  const usual = ["--test-reporter=spec", `--test-concurrency=${filesAtOnce}`].filter(
    (option) => !options.some((given) => given.startsWith(option.split("=")[0])),
  );
  const tests = ["--test", ...usual, ...options, ...files];
  return await runProgram(process.execPath, tests, { cwd: dist });
}

async function sayWhatIsMissing(dist) {
  const url = pathToFileURL(join(dist, "testing", "requirements-fixture.js")).href;
  const { requirements, missingRequirement } = await import(url);
  const missing = requirements.map(missingRequirement).filter((reason) => reason !== null);
  if (missing.length === 0) return;
  const all = process.env.MILLRACE_REQUIRE_ALL === "1";
  const effect = all ? "fail (MILLRACE_REQUIRE_ALL=1)" : "are shown as skipped";
  console.log(`This machine lacks what some tests need; they ${effect}. What to install:`);
  for (const reason of missing) console.log(`  ${reason}`);
}

function testFiles(dist) {
  return readdirSync(dist, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.js"))
    .map((entry) => relative(dist, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}
