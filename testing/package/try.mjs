/**
 * Packs Millrace and uses it as a stranger would: an empty folder, `npm install` of the tarball
 * with scripts on and no setting of the user's, a project by `millrace init`; by npm 10 and npm 11,
 * with all that the project can do after by npm 11.
 *
 * node testing/package/try.mjs [--pack DIR | --of DIR]: both, or packs into a folder, or uses what
 * was packed there: while it is packed, nothing else may read the repository.
 *
 * Plain JavaScript: it must not lean on anything that the repository has installed.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const folder = mkdtempSync(join(tmpdir(), "millrace-package-"));

/** The environment without what npm or somebody set for another package. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|ONNXRUNTIME|NODE_OPTIONS)/i.test(name)),
);

/** Runs a program to its end; its output, or an Error with all that it said. */
function run(program, args, cwd) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")}: exit ${status}\n${stdout}${stderr}`);
}

function step(text, work) {
  const started = Date.now();
  const result = work();
  console.log(`${text}: ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return result;
}

function check(condition, text) {
  if (!condition) throw new Error(text);
}

/**
 * From an empty folder to a project; `whole`: to its first feature and all that it does after,
 * otherwise as far as npm itself decides, which is what stands in the lock.
 */
function tryWith(npm, tarball, whole) {
  const project = join(folder, npm.replace("@", ""));
  mkdirSync(project);
  const npmRun = (...args) => run("npx", ["--yes", npm, ...args], project);
  const bin = (name) => join(project, "node_modules", ".bin", name);
  const millrace = (...args) => run(bin("millrace"), args, project);
  step(`${npm} install ${basename(tarball)}`, () => npmRun("install", "--prefix", ".", tarball));
  step("  millrace init", () => millrace("init", "."));
  step("  chDB is asked for by name", () => {
    const { status, stderr } = spawnSync(bin("millrace"), ["run", "app.ts"], {
      ...{ cwd: project, env, encoding: "utf8" },
    });
    const [line, ...more] = stderr.trim().split("\n");
    const asked = /^PACKAGE_MISSING: .*npm install --save-exact chdb@\d/.test(line);
    check(status === 1 && asked && more.length === 0, `not asked for chDB: ${stderr}`);
  });
  if (!whole) {
    step("  npm install, what it would", () => npmRun("install", "--package-lock-only"));
    return;
  }
  step("  npm install", () => npmRun("install"));
  step("  npm start", () => npmRun("start"));
  const features = step("  millrace features get", () =>
    millrace("features", "get", "card_spending", "4711", "--json"),
  );
  const hour = JSON.parse(features).features.find(({ name }) => name === "payments_1h");
  check(hour?.value === 5, `these are not the features: ${features}`);
  step("  millrace verify --reread", () => millrace("verify", "--reread"));
  step("  npm test", () => npmRun("test"));
  const uses =
    'import { run } from "millrace/run";\nimport app from "./app.ts";\nvoid [run, app];\n';
  writeFileSync(join(project, "program.ts"), uses);
  step("  npm run check: types, NodeNext", () => npmRun("run", "check"));
  const bundler = ["--noEmit", "--module", "ESNext", "--moduleResolution", "bundler"];
  step("  types, bundler", () => run(bin("tsc"), bundler, project));
  step("  dashboard and alerts", () => {
    const deploy = join(project, "node_modules", "millrace", "deploy");
    for (const file of ["grafana/dashboards/millrace.json", "prometheus/alerts.yml"]) {
      check(existsSync(join(deploy, file)), `there is no ${file}`);
    }
  });
  step("  ONNX Runtime as the package carries it", () => {
    const url = "./node_modules/millrace/dist/runtime/services/score/onnx-runtime.js";
    const program = `const { env } = await (await import("${url}")).loadOnnxRuntime();
      if (env.versions.node === undefined) throw new Error("it has no version");`;
    run(process.execPath, ["--input-type=module", "-e", program], project);
  });
}

/** The tarball, in `into`. */
function packed(into) {
  const pack = ["pack", "--silent", "--pack-destination", into];
  const name = step("npm pack", () => execFileSync("npm", pack, { cwd: root, encoding: "utf8" }));
  return join(into, name.trim().split("\n").at(-1) ?? "");
}

/** The tarball that a folder holds. */
function found(into) {
  return join(into, readdirSync(into).find((name) => name.endsWith(".tgz")) ?? "");
}

const [option, given] = process.argv.slice(2);
try {
  const tarball = option === "--of" ? found(given) : packed(option === "--pack" ? given : folder);
  if (option !== "--pack") {
    // What is installed is the same: to unpack chDB once more would show nothing of npm.
    tryWith("npm@10", tarball, false);
    tryWith("npm@11", tarball, true);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
