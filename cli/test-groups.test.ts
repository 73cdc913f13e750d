/** How `npm test` shares out the test files among processes. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../schemas/package-root.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-groups-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function setupModule<T>(name: string): Promise<T> {
  return (await import(pathToFileURL(join(packageRoot(), "cli", "setup", name)).href)) as T;
}

type Processes = (dist: string, files: readonly string[], folder: string) => string[];

const frame = (imports: string, body: string) =>
  `import { ${imports} } from "node:test";\n${body}\n`;
const written: Readonly<Record<string, string>> = {
  "a/one.test.js": frame("test", 'test("one", () => {});'),
  "a/hooked.test.js": frame("after, test", 'after(() => {}); test("hooked", () => {});'),
  "a/environment.test.js": frame("test", 'test("env", () => { process.env.X = "1"; });'),
  "a/broken.test.js": 'import "./nothing.js";\n',
  "a/failing.test.js": frame("test", 'test("it fails", () => { throw new Error("on purpose"); });'),
  "b/other.test.js": frame("test", 'test("other", () => {});'),
};

test("what needs nothing of its process shares one with its room, and each failure is told with its file", async () => {
  const { testProcesses } = await setupModule<{ testProcesses: Processes }>("test-groups.mjs");
  const dist = join(folder, "dist");
  for (const [file, text] of Object.entries(written)) {
    mkdirSync(join(dist, file, ".."), { recursive: true });
    writeFileSync(join(dist, file), text);
  }
  writeFileSync(join(dist, "package.json"), '{"type":"module"}');
  const processes = testProcesses(dist, Object.keys(written), join(folder, "entries"));
  const [group = "", ...alone] = processes;
  const own = ["a/hooked.test.js", "a/environment.test.js", "b/other.test.js"];
  assert.deepEqual(
    alone,
    own.map((file) => join(dist, file)),
  );
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ["--test", "--test-reporter=spec", group];
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
  assert.equal(status, 1, stdout);
  assert.match(stdout, /pass 1\n[\s\S]*fail 2\n/);
  assert.match(stdout, /a\/failing\.test\.js:2:1\s+✖ it fails/);
  assert.match(stdout, /✖ file:\S+a\/broken\.test\.js is loaded[\s\S]*nothing\.js/);
});

test("where nothing ends for long, what has begun is named with its file", async () => {
  type Say = (
    events: EventEmitter,
    say: (line: string) => void,
    ms: number,
  ) => { stop: () => void };
  const { sayWhatHangs } = await setupModule<{ sayWhatHangs: Say }>("still-running.mjs");
  const events = new EventEmitter();
  const lines: string[] = [];
  const said = new EventEmitter();
  const say = (line: string) => {
    lines.push(line);
    if (line.startsWith("  ")) said.emit("named");
  };
  const watch = sayWhatHangs(events, say, 10);
  const of = (name: string) => ({ name, file: "x.test.js", line: 3, column: 1 });
  for (const name of ["ended", "hangs", "failed", "x.test.js"])
    events.emit("test:dequeue", of(name));
  events.emit("test:pass", of("ended"));
  events.emit("test:fail", of("failed"));
  // The timer does not keep a process.
  const alive = setInterval(() => {}, 1_000);
  await once(said, "named");
  clearInterval(alive);
  watch.stop();
  assert.deepEqual(lines.slice(0, 2), [
    "No test has begun or ended for 0.01 s. Running:",
    "  hangs (x.test.js:3)",
  ]);
  lines.length = 0;
  events.emit("test:fail", of("x.test.js"));
  events.emit("test:fail", of("x.test.js"));
  assert.deepEqual(lines, [
    "x.test.js has ended before these tests of it:",
    "  hangs (x.test.js:3)",
  ]);
});
