import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram, withoutSettings } from "./program.mjs";

/**
 * Installs the dependencies when node_modules is not what package-lock.json asks for.
 *
 * A stamp inside node_modules says which lock it was installed from, so that a second start reads
 * two small files and goes on; an interrupted installation leaves no stamp.
 *
 * @throws {Error} when npm fails.
 */
export async function install(root, say) {
  const stampFile = join(root, "node_modules", ".millrace-install");
  const wanted = installStamp(root);
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === wanted) return;
  if (!matchesLock(root)) {
    say("Millrace: installing dependencies, once (about 900 MB, a minute or two) …");
    const started = Date.now();
    if ((await npmCi(root)) !== 0) throw new Error("Millrace: npm ci failed; see the lines above.");
    say(`Millrace: installed in ${seconds(started)} s.`);
  }
  writeFileSync(stampFile, wanted);
}

/** Lock, npm settings and what prebuilt binaries depend on. */
function installStamp(root) {
  const hash = createHash("sha256");
  for (const file of ["package-lock.json", ".npmrc"]) hash.update(readFileSync(join(root, file)));
  return `${hash.digest("hex")} ${process.platform} ${process.arch}\n`;
}

/** Whether npm's own record of node_modules has what the lock has: somebody ran npm by hand. */
function matchesLock(root) {
  const installedFile = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedFile, "utf8")).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue;
    const there = installed[path];
    if (there ? there.integrity !== entry.integrity : !entry.optional) return false;
    if (there && !existsSync(join(root, path, "package.json"))) return false;
  }
  return Object.keys(installed).every((path) => wanted[path] !== undefined);
}

function npmCi(root) {
  // Development packages too, whatever NODE_ENV says: the build needs them. What npm's cache
  // holds is taken from there, so that it works without a network.
  const args = ["ci", "--include=dev", "--prefer-offline", "--ignore-scripts", "--loglevel=error"];
  const env = { ...withoutSettings(), ONNXRUNTIME_NODE_INSTALL: "skip" };
  const npm = process.env.npm_execpath;
  if (npm && /npm-cli\.c?js$/.test(npm)) {
    return runProgram(process.execPath, [npm, ...args], { cwd: root, env });
  }
  return runProgram("npm", args, { cwd: root, env });
}

function seconds(started) {
  return Math.round((Date.now() - started) / 1000);
}
