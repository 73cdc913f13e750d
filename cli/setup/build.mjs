import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { runProgram, withoutSettings } from "./program.mjs";

/** Everything that the compiler reads, besides node_modules (for which the lock stands). */
const settings = [
  "tsconfig.json",
  "package.json",
  "package-lock.json",
  "index.ts",
  "run.ts",
  "client.ts",
];

/**
 * Compiles the sources into dist when they are not what dist was built from (by content), and
 * removes the output of sources that are gone.
 *
 * @throws {Error} when the compiler finds errors; the next start tries again.
 */
export async function build(root, say) {
  const sources = sourceFiles(root);
  const wanted = sourceHash(root, sources);
  const stampFile = join(root, "dist", ".millrace-build");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === wanted) return;
  say("Millrace: building …");
  rmSync(stampFile, { force: true });
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const args = [compiler, "-p", "tsconfig.json"];
  if ((await runProgram(process.execPath, args, { cwd: root, env: withoutSettings() })) !== 0) {
    throw new Error("Millrace: the sources do not compile; see the lines above.");
  }
  removeStale(root, new Set(sources));
  const main = join(root, "dist", "cli", "main.js");
  if (existsSync(main)) chmodSync(main, 0o755); // `npx millrace` runs it as a program.
  mkdirSync(join(root, "dist"), { recursive: true });
  writeFileSync(stampFile, wanted);
}

/** Paths of all sources, relative to the root, in one order. */
function sourceFiles(root) {
  const { include } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8"));
  const files = [...settings];
  for (const entry of include) {
    const folder = join(root, entry);
    if (entry.endsWith(".ts") || !existsSync(folder)) continue;
    for (const file of filesBelow(folder)) {
      if (/\.(c?ts|json)$/.test(file)) files.push(relative(root, file));
    }
  }
  return files.sort();
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

function sourceHash(root, sources) {
  const hash = createHash("sha256");
  for (const file of sources) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update("\0");
  }
  return `${hash.digest("hex")}\n`;
}

/** A test whose source was deleted must not run for ever. */
function removeStale(root, sources) {
  const dist = join(root, "dist");
  for (const file of filesBelow(dist)) {
    const path = relative(dist, file);
    const source = path.replace(/\.d(\.c?ts)$/, "$1").replace(/\.(c?)js(\.map)?$/, ".$1ts");
    if (!sources.has(source) && !sources.has(path)) rmSync(file);
  }
}
