/** Every program of the load tests says what it takes, and refuses what it does not. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../schemas/package-root.ts";

const folder = join(packageRoot(), "loadtest");
/** A file that nobody imports from is started. */
const programs = readdirSync(folder)
  .filter((name) => /^[a-z0-9-]+\.ts$/.test(name))
  .map((name) => ({ name: name.slice(0, -3), text: readFileSync(join(folder, name), "utf8") }))
  .filter(({ text }) => !/^export /m.test(text));

/** Starts each with one flag, all in one process, which loads what they share once. */
const starts = `
const answers = [];
const files = JSON.parse(process.argv[1]);
process.exit = (code) => { throw { code }; };
for (const flag of ["--help", "--hepl"]) for (const file of files) {
  const said = [];
  console.log = console.error = (line) => said.push(line);
  process.argv = [process.execPath, file, flag];
  const code = await import(file + "?" + flag).then(() => null, (error) => error.code ?? null);
  answers.push({ flag, code, text: said.join("\\n") });
}
process.stdout.write(JSON.stringify(answers));
`;

interface Answer {
  readonly flag: string;
  readonly code: number | string | null;
  readonly text: string;
}

function startAll(): Answer[] {
  const files = programs.map(({ name }) => join(packageRoot(), "dist", "loadtest", `${name}.js`));
  const urls = files.map((file) => pathToFileURL(file).href);
  const args = ["--input-type=module", "-e", starts, JSON.stringify(urls)];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    ...{ encoding: "utf8", env: { PATH: process.env["PATH"] }, timeout: 60_000 },
  });
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout) as Answer[];
}

test("every program of the load tests reads its flags where their help stands", () => {
  // Asked first: one without help would begin its work.
  const without = programs.filter(({ text }) => !text.includes("programFlags({"));
  assert.deepEqual(
    without.map(({ name }) => name),
    [],
  );
  assert.ok(programs.length >= 16, `${programs.length} programs`);
});

test("--help says how a program is called and when it ends how; another flag is one sentence", () => {
  const answers = startAll();
  for (const [at, { name }] of programs.entries()) {
    const helped = answers[at] as Answer;
    assert.deepEqual([helped.flag, helped.code], ["--help", 0], name);
    const command = name === "k6" ? "npm run loadtest --" : `node dist/loadtest/${name}.js`;
    assert.ok(helped.text.startsWith(`${command} [flags]`), helped.text);
    const end = helped.text.slice(helped.text.lastIndexOf("\n\n") + 2).replaceAll("\n", " ");
    assert.match(end, /^Ends with 0, with 1 where .+ and with 2 where flags are wrong\.$/);
    assert.deepEqual(answers[at + programs.length], {
      ...{ flag: "--hepl", code: 2 },
      text: "--hepl: no such flag (did you mean --help?). --help says what there is.",
    });
  }
});
