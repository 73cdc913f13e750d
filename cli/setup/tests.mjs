import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { pathToFileURL } from "node:url";
import { runProgram } from "./program.mjs";
import { sayWhatHangs } from "./still-running.mjs";
import { testProcesses } from "./test-groups.mjs";

/** Files run side by side at most, and the memory that one may take: some start servers. */
const [mostFilesAtOnce, fileBytes] = [6, 2.5 * 2 ** 30];

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
  // Two more than there are cores: files that start servers wait for them most of the time.
  const inMemory = Math.max(1, Math.floor(totalmem() / fileBytes));
  const filesAtOnce = Math.min(availableParallelism() + 2, inMemory, mostFilesAtOnce);
  if (options.length === 0) {
    const folder = join(root, ".build", "tests");
    const entries = testProcesses(dist, longestFirst(dist, files), folder);
    return await runInOrder(dist, entries, filesAtOnce);
  }
  const usual = ["--test-reporter=spec", `--test-concurrency=${filesAtOnce}`].filter(
    (option) => !options.some((given) => given.startsWith(option.split("=")[0])),
  );
  const tests = ["--test", ...usual, ...options, ...files];
  return await runProgram(process.execPath, tests, { cwd: dist });
}

/** So long a file may take, ms: one that hangs is ended and has failed. */
const fileMs = 1_200_000;

/** As `node --test` does, which sorts the files that it is given. */
async function runInOrder(dist, files, concurrency) {
  process.chdir(dist);
  let failed = false;
  const events = run({ files, concurrency, timeout: fileMs });
  events.on("test:fail", ({ todo }) => {
    if (todo === undefined || todo === false) failed = true;
  });
  const watch = sayWhatHangs(events, (line) => console.log(line));
  const text = events.compose(new spec());
  text.pipe(process.stdout);
  await new Promise((resolve, reject) => text.once("end", resolve).once("error", reject));
  watch.stop();
  return failed ? 1 : 0;
}

/** What takes a minute begins first, so that nothing is left alone at the end. */
function longestFirst(dist, files) {
  const rank = (file) => {
    const text = readFileSync(join(dist, file), "utf8");
    if (/\brequirement\(/.test(text)) return 0; // Starts servers.
    return /node:child_process|millrace-fixture|open[A-Za-z]{0,16}Stack\b|"millrace\/run"/.test(
      text,
    )
      ? 1
      : 2;
  };
  const ranks = new Map(files.map((file) => [file, rank(file)]));
  return files.toSorted((a, b) => ranks.get(a) - ranks.get(b));
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
