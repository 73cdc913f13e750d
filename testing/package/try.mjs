/**
 * Packs Millrace and uses it as a stranger would: an empty folder, `npm install` of the tarball
 * with scripts on and no setting of the user's, by npm 10 and npm 11. Plain JavaScript: it must
 * not lean on anything that the repository has installed, but for the compiler.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const folder = mkdtempSync(join(tmpdir(), "millrace-package-"));
const compiler = join(root, "node_modules", "typescript", "bin", "tsc");

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

const consumer = `
import assert from "node:assert/strict";
import { agg, from, online, recordSchema, topology } from "millrace";
import { topologyDriver } from "millrace/testing";

interface Payment {
  readonly id: string;
  readonly at: number;
  readonly card: string;
}
const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "id", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "card", type: "string" },
  ],
});
const card = from("payments", payment)
  .timedBy("at", { lateness: "10s" })
  .partitionedBy("id")
  .keyedBy("card")
  .over("1h")
  .compute({ payments: agg.count() })
  .asFeatureView("card@1", { ttl: "2h" })
  .into(online);
const driver = await topologyDriver(topology("shop", { card }));
assert.ok(driver);
`;

const compilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  target: "ES2023",
  outDir: "out",
};

/** Writes a project whose compiler resolves packages in the given way, and compiles it. */
function compile(project, name, options) {
  const config = { compilerOptions: { ...compilerOptions, ...options }, files: ["consumer.ts"] };
  writeFileSync(join(project, `${name}.json`), JSON.stringify(config));
  run(process.execPath, [compiler, "-p", `${name}.json`], project);
}

function tryWith(npm, tarball) {
  const project = join(folder, npm.replace("@", ""));
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "type": "module", "private": true }');
  writeFileSync(join(project, "consumer.ts"), consumer);
  step(`${npm} install`, () => run("npx", ["--yes", npm, "install", tarball], project));
  step("  types, NodeNext and bundler", () => {
    compile(project, "nodenext", { module: "NodeNext" });
    compile(project, "bundler", { module: "ESNext", moduleResolution: "bundler" });
  });
  step("  a topology in the driver", () => run(process.execPath, ["out/consumer.js"], project));
  step("  ONNX Runtime as the package carries it", () => {
    const url = "./node_modules/millrace/dist/runtime/services/score/onnx-runtime.js";
    const program = `const { env } = await (await import("${url}")).loadOnnxRuntime();
      if (env.versions.node === undefined) throw new Error("it has no version");`;
    run(process.execPath, ["--input-type=module", "-e", program], project);
  });
  step("  millrace --version", () => run("npx", ["--no", "millrace", "--version"], project));
}

try {
  const pack = ["pack", "--silent", "--pack-destination", folder];
  const name = step("npm pack", () => execFileSync("npm", pack, { cwd: root, encoding: "utf8" }));
  const tarball = join(folder, name.trim().split("\n").at(-1) ?? "");
  for (const npm of ["npm@10", "npm@11"]) tryWith(npm, tarball);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
