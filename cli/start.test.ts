import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../schemas/package-root.ts";

interface Platform {
  readonly node: string;
  readonly platform: string;
  readonly arch: string;
  readonly musl: boolean;
}

type Setup = (root: string, say: (line: string) => void) => Promise<void>;

/** Setup is plain JavaScript outside the build: it is loaded from where it stands. */
async function setupModule<T>(name: string): Promise<T> {
  return (await import(pathToFileURL(join(packageRoot(), "cli", "setup", name)).href)) as T;
}

const here: Platform = { node: "20.19.0", platform: "linux", arch: "x64", musl: false };

test("a platform without prebuilt parts gets one sentence, any other none", async () => {
  const { platformProblem } = await setupModule<{
    platformProblem: (platform: Platform) => string | null;
  }>("platform.mjs");
  for (const fine of [
    here,
    { ...here, node: "24.1.0" },
    { ...here, arch: "arm64" },
    { ...here, platform: "darwin", arch: "arm64" },
  ]) {
    assert.equal(platformProblem(fine), null);
  }
  const refused: [Partial<Platform>, RegExp][] = [
    [{ node: "18.20.4" }, /Node 20\.19 or newer and this is Node 18\.20\.4/],
    [{ node: "20.18.3" }, /this is Node 20\.18\.3/],
    [{ platform: "win32" }, /Windows/],
    [{ platform: "darwin" }, /Intel Macs/],
    [{ platform: "freebsd" }, /freebsd/],
    [{ arch: "ia32" }, /ia32/],
    [{ musl: true }, /Alpine/],
  ];
  for (const [change, reason] of refused) {
    const sentence = platformProblem({ ...here, ...change }) ?? "";
    assert.match(sentence, reason);
    assert.match(sentence, /^[^\n]+\.$/);
  }
});

test("a build happens when sources changed, and removes what deleted ones left", async (t) => {
  const { build } = await setupModule<{ build: Setup }>("build.mjs");
  const root = folder(t);
  symlinkSync(join(packageRoot(), "node_modules"), join(root, "node_modules"));
  const options = { module: "NodeNext", rootDir: ".", outDir: "dist", types: [] };
  write(root, "tsconfig.json", JSON.stringify({ compilerOptions: options, include: ["room"] }));
  write(root, "package.json", '{ "type": "module" }');
  write(root, "package-lock.json", "{}");
  for (const entry of ["index.ts", "run.ts", "client.ts"]) write(root, entry, "export {};");
  write(root, "room/kept.ts", "export const a: number = 1;");
  write(root, "room/deleted.ts", "export const b: number = 2;");
  const said: string[] = [];
  const once = () => build(root, (line) => said.push(line));

  await once();
  await once();
  assert.equal(said.length, 1);
  assert.ok(existsSync(join(root, "dist/room/deleted.js")));

  rmSync(join(root, "room/deleted.ts"));
  await once();
  assert.equal(said.length, 2);
  assert.ok(existsSync(join(root, "dist/room/kept.js")));
  assert.ok(!existsSync(join(root, "dist/room/deleted.js")));
});

test("dependencies are installed once, and again when the lock changes", async (t) => {
  const { install } = await setupModule<{ install: Setup }>("install.mjs");
  const root = folder(t);
  const lock = (integrity: string) =>
    JSON.stringify({ packages: { "": {}, "node_modules/a": { version: "1.0.0", integrity } } });
  // Stands for npm: makes node_modules from the lock and counts its runs.
  write(
    root,
    "npm-cli.js",
    `const fs = require("node:fs");
     if (process.env.ONNXRUNTIME_NODE_INSTALL !== "skip") process.exit(1);
     fs.mkdirSync("node_modules/a", { recursive: true });
     fs.writeFileSync("node_modules/a/package.json", "{}");
     fs.copyFileSync("package-lock.json", "node_modules/.package-lock.json");
     fs.appendFileSync("runs", "x");`,
  );
  write(root, "package-lock.json", lock("one"));
  write(root, ".npmrc", "ignore-scripts=true");
  const before = process.env["npm_execpath"];
  process.env["npm_execpath"] = join(root, "npm-cli.js");
  t.after(() => {
    if (before === undefined) delete process.env["npm_execpath"];
    else process.env["npm_execpath"] = before;
  });
  const runs = async () => {
    await install(root, () => {});
    return statSync(join(root, "runs")).size;
  };

  assert.equal(await runs(), 1);
  assert.equal(await runs(), 1);
  // Somebody ran npm by hand: what is there is what the lock asks for.
  rmSync(join(root, "node_modules/.millrace-install"));
  assert.equal(await runs(), 1);
  write(root, "package-lock.json", lock("two"));
  assert.equal(await runs(), 2);
  rmSync(join(root, "node_modules"), { recursive: true });
  assert.equal(await runs(), 3);
});

test("the lock file names the prebuilt packages of every platform", () => {
  const lock = JSON.parse(readFileSync(join(packageRoot(), "package-lock.json"), "utf8")) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  const missing = Object.entries(lock.packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {}).filter(
      (name) =>
        !lock.packages[`node_modules/${name}`] && !lock.packages[`${path}/node_modules/${name}`],
    ),
  );
  assert.deepEqual(missing, []);
});

function folder(t: { after(done: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), "millrace-setup-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function write(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
