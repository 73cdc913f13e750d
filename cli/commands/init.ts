import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import { packageRoot } from "../../schemas/package-root.ts";
import { exitCodes } from "../exit.ts";

/** Names that npm would not pack, by those under which the package carries them. */
const renamed: Readonly<Record<string, string>> = { gitignore: ".gitignore" };

/**
 * `millrace init`: copies the project that comes with the package (`cli/init/project`, which is
 * built and tested with it) and writes or completes package.json.
 *
 * @throws {MillraceError} PROJECT_EXISTS when a file of it stands there already.
 */
export function init(directory: string): number {
  const from = join(packageRoot(), "cli", "init", "project");
  const to = resolve(directory);
  const files = filesBelow(from).map((file) => ({ file, as: renamed[file] ?? file }));
  const standing = files.map(({ as }) => as).filter((as) => existsSync(join(to, as)));
  if (standing.length > 0) {
    throw new MillraceError("PROJECT_EXISTS", { directory, files: standing.join(", ") });
  }
  for (const { file, as } of files) {
    mkdirSync(dirname(join(to, as)), { recursive: true });
    copyFileSync(join(from, file), join(to, as));
  }
  writePackage(to);
  const step = relative("", to);
  console.log(`Made ${basename(to)}: a topology, its schema, a test, and samples to run it on.\n`);
  if (step !== "") console.log(`  cd ${step}`);
  console.log("  npm install");
  console.log("  npm start");
  console.log("  npx millrace features get card_spending 4711\n");
  console.log("README.md says what each file holds.");
  return exitCodes.done;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** What this looks at in a package.json; the rest stays as it is. */
interface PackageFile {
  readonly version: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly allowScripts?: Readonly<Record<string, boolean>>;
}

/** Writes package.json; of one that stands there only what is missing. */
function writePackage(folder: string): void {
  const own = readPackage(packageRoot());
  const file = join(folder, "package.json");
  const given: Partial<PackageFile> = existsSync(file) ? readPackage(folder) : {};
  const { test, ...scripts } = given.scripts ?? {};
  const generate = "millrace generate schemas/*.avsc --out schemas/generated.ts";
  const made = {
    name: basename(folder)
      .toLowerCase()
      .replaceAll(/[^a-z0-9._-]+/g, "-"),
    private: true,
    engines: own.engines,
    ...given,
    // The sources are modules.
    type: "module",
    scripts: {
      start: "millrace run app.ts",
      // What `npm init` writes there is no test.
      test:
        test === undefined || test.includes("no test") ? "tsc && cd build && node --test" : test,
      check: `tsc --noEmit && ${generate} --check`,
      generate,
      ...scripts,
    },
    dependencies: {
      ...versions(own, ["chdb"]),
      millrace: ownVersion(own, folder),
      ...given.dependencies,
    },
    devDependencies: { ...versions(own, ["@types/node", "typescript"]), ...given.devDependencies },
    // None of these needs its script: their packages hold what it would build.
    allowScripts: { ...allowed(own), ...given.allowScripts },
  };
  writeFileSync(file, `${JSON.stringify(made, null, 2)}\n`);
}

function readPackage(folder: string): PackageFile {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as PackageFile;
}

/** The versions that Millrace itself is developed with. */
function versions(own: PackageFile, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, own.devDependencies?.[name] ?? "*"]));
}

function allowed({ allowScripts = {} }: PackageFile): Record<string, boolean> {
  const { "onnxruntime-node": _, ...others } = allowScripts;
  return others;
}

/** This very version: from the registry, or the file or folder that this one was installed from. */
function ownVersion({ version }: PackageFile, folder: string): string {
  const root = packageRoot();
  const modules = `${sep}node_modules${sep}`;
  const at = root.lastIndexOf(modules);
  if (at < 0) return `file:${relative(folder, root)}`;
  const project = root.slice(0, at);
  const lock = join(project, "node_modules", ".package-lock.json");
  if (!existsSync(lock)) return version;
  const { packages } = JSON.parse(readFileSync(lock, "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly resolved?: string }>>;
  };
  const { resolved = "" } = packages["node_modules/millrace"] ?? {};
  if (!resolved.startsWith("file:")) return version;
  return `file:${relative(folder, resolve(project, resolved.slice("file:".length)))}`;
}
