import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "../../schemas/package-root.ts";
import { buildFailed, findGo, goEnvironment } from "./find-go.ts";

const run = promisify(execFile);

/** The Go module: k6 with our own extension; go.sum has the checksums of all that it is made of. */
export const extensionFolder = join(packageRoot(), "loadtest", "k6", "extension");
/** For builds and tests, so that they share what is compiled. Without DWARF: nobody debugs it. */
export const compileFlags = ["-mod=readonly", "-trimpath", "-gcflags=all=-dwarf=false"];
const builds = join(packageRoot(), ".build");

/**
 * The program k6 with k6/x/millrace, built once for each state of its sources and kept in .build.
 * A first build compiles k6 itself: minutes of CPU, and some 600 MB in Go's caches.
 *
 * @param say - told when a build begins.
 * @throws {MillraceError} K6_MISSING_GO, K6_BUILD_FAILED.
 */
export async function buildK6(say: (line: string) => void): Promise<string> {
  const folder = join(builds, `k6-${await sourceHash()}`);
  const program = join(folder, "k6");
  if (existsSync(program)) return program;
  const go = await findGo();
  say(`Building k6 with the extension in ${extensionFolder}, once (minutes of CPU) …`);
  await mkdir(folder, { recursive: true });
  const staged = join(folder, `.k6-${process.pid}`);
  const flags = ["-buildvcs=false", "-ldflags=-s -w", "-o", staged];
  await run(go, ["build", ...compileFlags, ...flags, "."], {
    ...{ cwd: extensionFolder, env: goEnvironment(), maxBuffer: 1 << 26 },
  }).catch((error: unknown) => {
    throw buildFailed(error);
  });
  // Two builds side by side make the same file.
  await rename(staged, program);
  await removeOthers(folder);
  return program;
}

/** Of what the program is made of, by content. */
async function sourceHash(): Promise<string> {
  const entries = await readdir(extensionFolder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith("_test.go"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(`${file.slice(extensionFolder.length)}\0`).update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 12);
}

async function removeOthers(kept: string): Promise<void> {
  for (const name of await readdir(builds)) {
    const folder = join(builds, name);
    if (!/^k6-[0-9a-f]{12}$/.test(name) || folder === kept) continue;
    await rm(folder, { recursive: true, force: true });
  }
}
