/** What `npm pack` makes of the repository. That it installs and runs: testing/package/try.mjs. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../schemas/package-root.ts";
import { unreachable, workerFiles } from "./tidy/arrows.ts";
import { repositoryText, type SourceFile, sourceFiles } from "./tidy/source-tree.ts";

const about = JSON.parse(repositoryText("package.json") ?? "") as {
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
};

const sources = sourceFiles();
const entries = ["index.ts", "run.ts", "client.ts", "testing/index.ts", "cli/main.ts"];
const reached = reachedFrom(entries);

/** What the files import, and what the processes and threads import that these start. */
function reachedFrom(roots: readonly string[]): readonly SourceFile[] {
  const missed = new Set(unreachable(sources, roots));
  const found = sources.filter((file) => !missed.has(file.path));
  const all = [...new Set([...roots, ...workerFiles(found)])];
  return all.length === roots.length ? found : reachedFrom(all);
}

/** Paths of the files that a package would hold. */
function packedFiles(): readonly string[] {
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const out = execFileSync("npm", args, { cwd: packageRoot(), encoding: "utf8" });
  // A list up to npm 11, by package name from npm 12 on.
  const [pack] = Object.values(JSON.parse(out) as Record<string, { files: { path: string }[] }>);
  return (pack?.files ?? []).map(({ path }) => path);
}

/** From the root of the package. */
function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(packageRoot(), join(parentPath, name)));
}

test("a link of a page leads to what is in the package", () => {
  const packed = packedFiles();
  const pages = packed.filter((path) => /^(README\.md|docs\/[^/]+\.md)$/.test(path));
  const links = pages.flatMap((page) =>
    [...(repositoryText(page) ?? "").matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
      .map(([, link = ""]) => link)
      .filter((link) => !/^[a-z]+:/.test(link))
      .map((link) => join(dirname(page), link).replace(/\/$/, "")),
  );
  assert.ok(links.length > 100, `${links.length} links`);
  const isThere = (link: string) =>
    packed.some((path) => path === link || path.startsWith(`${link}/`));
  assert.deepEqual(
    [...new Set(links)].filter((link) => !isThere(link)),
    [],
  );
});

test("what a page names of deploy/ is in the package, and what is in it is named", () => {
  const packed = packedFiles();
  const pages = packed.filter((path) => /^(README\.md|docs\/[^/]+\.md)$/.test(path));
  const named = pages.flatMap((page) =>
    [...(repositoryText(page) ?? "").matchAll(/\bdeploy\/[\w./-]+\w/g)].map(([path]) => path),
  );
  const isUnder = (path: string, folder: string) =>
    path === folder || path.startsWith(`${folder}/`);
  const lost = named.filter((path) => !packed.some((each) => isUnder(each, path)));
  assert.deepEqual([...new Set(lost)], []);
  const deployed = packed.filter((path) => path.startsWith("deploy/"));
  assert.ok(deployed.length >= 5, `${deployed}`);
  const unnamed = deployed.filter((path) => !named.some((each) => isUnder(path, each)));
  assert.deepEqual(unnamed, []);
});

test("a requirements file that an example of the package names is in the package", () => {
  const packed = packedFiles();
  const pages = packed.filter((path) =>
    /^examples\/.*(README\.md|requirements.*\.txt)$/.test(path),
  );
  const named = pages.flatMap((page) =>
    [...(repositoryText(page) ?? "").matchAll(/-r ([\w./-]*requirements[\w-]*\.txt)/g)]
      .map(([, file = ""]) => file)
      .map((file) => join(file.startsWith("examples/") ? "" : dirname(page), file)),
  );
  assert.ok(named.length > 10, `${named.length} files`);
  const lost = named.filter((file) => !packed.includes(file));
  assert.deepEqual([...new Set(lost)], []);
});

test("the package holds what its entries reach, and no tests, fixtures, load tests or maps", () => {
  const packed = packedFiles();
  const outputs = reached.flatMap(({ path }) => {
    const output = `dist/${path.replace(/\.c?ts$/, "")}`;
    return path.endsWith(".cts") ? [`${output}.cjs`] : [`${output}.js`, `${output}.d.ts`];
  });
  const project = join(packageRoot(), "cli", "init", "project");
  const template = filesUnder(project);
  const deploy = filesUnder(join(packageRoot(), "deploy"));
  const pages = ["docs", "docs/decisions", "loadtest/reports"].flatMap((folder) =>
    readdirSync(join(packageRoot(), folder))
      .filter((name) => name.endsWith(".md"))
      .map((name) => `${folder}/${name}`),
  );
  const beside = [
    ...template,
    ...deploy,
    ...pages,
    "docs/openapi.json",
    "LICENSE",
    "NOTICE",
    "README.md",
    "cli/millrace.mjs",
    "cli/setup/platform.mjs",
    "gateway/oip/open_inference.proto",
    "package.json",
  ];
  const wanted = new Set([...outputs, ...beside]);
  const isElsewhere = (path: string) => path.startsWith("vendor/") || path.startsWith("examples/");
  const found = new Set(packed.filter((path) => !isElsewhere(path)));
  assert.deepEqual(
    {
      missing: [...wanted].filter((path) => !found.has(path)),
      unwanted: [...found].filter((path) => !wanted.has(path)),
    },
    { missing: [], unwanted: [] },
  );
});

test("a page of the documentation that a message or a help names is in the package", () => {
  const named = reached.flatMap(({ path, text }) =>
    [...text.matchAll(/\bdocs\/[\w./-]+\.(?:md|json)\b/g)]
      // A decision is named in comments, for those who read the sources.
      .filter(([page]) => !page.startsWith("docs/decisions/"))
      .map(([page]) => ({ path, page })),
  );
  assert.ok(named.length > 0);
  const lost = named.filter(({ page }) => !existsSync(join(packageRoot(), page)));
  assert.deepEqual(lost, []);
});

test("what the package imports comes with it, or is asked for by name", () => {
  const carried = ["onnxruntime-node"];
  const known = new Set([
    ...Object.keys(about.dependencies),
    ...Object.keys(about.peerDependencies),
    ...carried,
  ]);
  const importing = /(?:^(?:import|export|\}).* from |\bimport\()"([^."][^"]*)"/gm;
  const missing = reached.flatMap(({ path, text }) =>
    [...text.matchAll(importing)]
      .map(([, name = ""]) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name)
      .filter((name) => !name.startsWith("node:") && !known.has(name))
      .map((name) => `${path}: ${name}`),
  );
  assert.deepEqual(missing, []);
});

/** What users write, and what has to be refused: types that became `any` would take it. */
const usesOfTypes = [
  `import { gatewayClient, type Features } from "millrace/client";`,
  `import { agg, from, json, online, topology, types } from "millrace";`,
  `import { run, type Summary } from "millrace/run";`,
  `import { topologyDriver } from "millrace/testing";`,
  `const read: Promise<Features> = gatewayClient({ url: "" }).features("cards", "4711");`,
  "// @ts-expect-error a port is no option",
  "gatewayClient({ port: 1 });",
  "// @ts-expect-error features are asked for by a view",
  "gatewayClient().features();",
  "const readings = from('readings', json({ id: types.text(), at: types.timestamp('ms') }))",
  "  .timedBy('at', { lateness: '1m' }).partitionedBy('id');",
  "const seen = readings.keyedBy('id').over('1h').compute({ n: agg.count() })",
  "  .asFeatureView('seen@1', { ttl: '1d' }).into(online);",
  "// @ts-expect-error no such field",
  "readings.keyedBy('card');",
  "const plan = topology('t', { seen });",
  "topologyDriver(plan).input('readings').send({ id: 'a', at: 1 });",
  "// @ts-expect-error no application",
  "const ended: Promise<Summary> = run(1);",
  "void [read, ended];",
];

test("the types of the package compile where libraries are checked, as NodeNext and bundler", () => {
  const folder = join(packageRoot(), ".build", "consumer");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // By its name a package imports itself: the declarations that users get.
  const parts = Object.keys(about.exports).map((path) => `millrace${path.slice(1)}`);
  assert.ok(parts.length >= 4, `${parts}`);
  const imports = parts.map((part, index) => `import * as part${index} from "${part}";`);
  writeFileSync(join(folder, "uses.ts"), [...imports, ...usesOfTypes].join("\n"));
  const options = { strict: true, skipLibCheck: false, target: "ES2023", noEmit: true };
  for (const resolution of [
    { module: "NodeNext" },
    { module: "ESNext", moduleResolution: "bundler" },
  ]) {
    const config = { compilerOptions: { ...options, ...resolution }, files: ["uses.ts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const compiler = join(packageRoot(), "node_modules", "typescript", "bin", "tsc");
    const { stdout } = spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" });
    assert.equal(stdout, "");
  }
  rmSync(folder, { recursive: true, force: true });
});

test("no dependency of the repository runs an install script, whatever npm installs it", () => {
  // npm runs the scripts of those packages that the lock marks so: 0006-no-install-scripts.md.
  assert.ok(
    !(repositoryText("package-lock.json") ?? "").includes('"hasInstallScript"'),
    'Remove the lines "hasInstallScript" from package-lock.json.',
  );
});

/** chDB's libraries for other platforms, of which the registry told no checksum: see 0006. */
const unknown = ["lib-darwin-arm64", "lib-linux-arm64-gnu"];

test("every package of the lock has its checksum", () => {
  const lock = JSON.parse(repositoryText("package-lock.json") ?? "") as {
    readonly packages: Readonly<Record<string, { readonly integrity?: string }>>;
  };
  const bare = Object.entries(lock.packages).flatMap(([path, { integrity }]) =>
    path === "" || integrity?.startsWith("sha512-") ? [] : [path],
  );
  assert.deepEqual(
    bare,
    unknown.map((name) => `node_modules/@chdb/${name}`),
  );
});

test("everything that is installed takes the oldest Node that the package takes", () => {
  type Engines = { readonly engines?: { readonly node?: string } };
  const { packages } = JSON.parse(repositoryText("package-lock.json") ?? "") as {
    readonly packages: Readonly<Record<string, Engines>>;
  };
  const versionOf = (text = "") => text.split(".").map(Number);
  const [major = 0, minor = 0] = versionOf(/>=(\S+)/.exec(packages[""]?.engines?.node ?? "")?.[1]);
  const takes = (range: string) => {
    const [least = 0, then = 0] = versionOf(/^>= ?(\d+(?:\.\d+)?)/.exec(range.trim())?.[1] ?? "99");
    return least < major || (least === major && then <= minor);
  };
  const wanting = Object.entries(packages).flatMap(([name, { engines }]) =>
    (engines?.node ?? ">=0").split("||").some(takes) ? [] : [`${name}: ${engines?.node}`],
  );
  assert.equal(major, 20);
  assert.deepEqual(wanting, []);
});

test("a list of what the package holds can be made, each part with its checksum", () => {
  const args = ["sbom", "--sbom-format=cyclonedx", "--package-lock-only"];
  const out = execFileSync("npm", args, { cwd: packageRoot(), encoding: "utf8" });
  const { components } = JSON.parse(out) as {
    readonly components: readonly {
      readonly name: string;
      readonly purl: string;
      readonly hashes?: unknown;
    }[];
  };
  const listed = new Set(components.map(({ purl }) => decodeURIComponent(purl)));
  for (const [name, version] of Object.entries(about.dependencies)) {
    assert.ok(listed.has(`pkg:npm/${name}@${version}`), name);
  }
  assert.deepEqual(
    components.flatMap(({ name, hashes }) => (hashes === undefined ? [name] : [])),
    unknown.map((name) => `@chdb/${name}`),
  );
});
