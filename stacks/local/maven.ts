import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { MillraceError } from "../../schemas/errors.ts";
import { serverEnvironment, stackEnvironment } from "./stack-environment.ts";

const run = promisify(execFile);

/** One artifact of Maven Central. */
export interface Artifact {
  readonly group: string;
  readonly name: string;
  readonly version: string;
}

/** What is fetched: by the name of each file its SHA-256. */
export type Pins = Readonly<Record<string, string>>;

/** A fixed version: what Maven runs is fetched, too. */
const plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1";

/**
 * The folder holding the jars of `artifacts` and of all they need, fetched once into the cache.
 * Two processes may fetch at the same time: each fills a folder of its own, one rename wins.
 *
 * @throws {MillraceError} STACK_MISSING_MAVEN, STACK_FETCH_FAILED, STACK_FETCH_DIFFERS.
 */
export async function mavenLibraries(
  name: string,
  artifacts: readonly Artifact[],
  pins: Pins,
): Promise<string> {
  return await cached(name, pins, async (staging) => {
    await writeFile(join(staging, "pom.xml"), pom(artifacts));
    await maven(name, staging, [
      `${plugin}:copy-dependencies`,
      "-DincludeScope=runtime",
      `-DoutputDirectory=${staging}`,
    ]);
    await verify(name, staging, pins);
  });
}

/** The folder holding one archive, unpacked (`tar.gz`), fetched once into the cache. */
export async function mavenArchive(
  name: string,
  artifact: Artifact,
  classifier: string,
  pins: Pins,
): Promise<string> {
  return await cached(name, pins, async (staging) => {
    const coordinate = `${artifact.group}:${artifact.name}:${artifact.version}`;
    await maven(name, staging, [
      `${plugin}:copy`,
      `-Dartifact=${coordinate}:tar.gz:${classifier}`,
      `-DoutputDirectory=${staging}`,
    ]);
    await verify(name, staging, pins);
    const file = join(staging, `${artifact.name}-${artifact.version}-${classifier}.tar.gz`);
    await run("tar", ["-xzf", file, "-C", staging], { env: serverEnvironment() }).catch(
      (error: unknown) => {
        throw fetchFailed(name, error);
      },
    );
    await rm(file);
  });
}

/** A folder goes by its name and its pins: what was fetched under others is left alone. */
async function cached(
  name: string,
  pins: Pins,
  fill: (staging: string) => Promise<void>,
): Promise<string> {
  const { cacheDirectory } = stackEnvironment();
  const text = Object.entries(pins).sort().join("\n");
  const digest = createHash("sha256").update(text).digest("hex");
  const target = join(cacheDirectory, `${name}-${digest.slice(0, 8)}`);
  if (existsSync(target)) {
    return target;
  }
  await mkdir(cacheDirectory, { recursive: true, mode: 0o700 });
  const staging = await mkdtemp(join(cacheDirectory, `.${name}-`));
  try {
    await fill(staging);
    await rename(staging, target).catch((error: unknown) => {
      if (!existsSync(target)) {
        throw error;
      }
    });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return target;
}

/** Holds every file that was fetched against its pin: none may differ, be missing or be more. */
async function verify(name: string, folder: string, pins: Pins): Promise<void> {
  const fetched = (await readdir(folder)).filter((file) => file !== "pom.xml");
  for (const file of new Set([...fetched, ...Object.keys(pins)])) {
    const expected = pins[file] ?? "no such file";
    const found = fetched.includes(file) ? await sha256(join(folder, file)) : "none";
    if (found === expected) continue;
    throw new MillraceError("STACK_FETCH_DIFFERS", { name, file, expected, found });
  }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

async function maven(name: string, directory: string, goals: readonly string[]): Promise<void> {
  try {
    await run("mvn", ["-B", "-q", "--strict-checksums", ...goals], {
      cwd: directory,
      env: serverEnvironment(),
      timeout: 300_000,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new MillraceError("STACK_MISSING_MAVEN", { name }, { cause: error });
    }
    throw fetchFailed(name, error);
  }
}

/** With the first line of what the program said, or else of how it ended. */
function fetchFailed(name: string, error: unknown): MillraceError {
  const { stdout, stderr, message } = error as Error & { stdout?: string; stderr?: string };
  const said = `${stdout ?? ""}${stderr ?? ""}`.trim() || message;
  const [reason = ""] = said.split("\n");
  return new MillraceError("STACK_FETCH_FAILED", { name, reason }, { cause: error });
}

function pom(artifacts: readonly Artifact[]): string {
  const dependencies = artifacts.map(
    ({ group, name, version }) =>
      `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId>` +
      `<version>${version}</version></dependency>`,
  );
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>',
    "<groupId>millrace</groupId><artifactId>stack</artifactId><version>1</version>",
    `<dependencies>${dependencies.join("")}</dependencies></project>`,
  ].join("\n");
}
