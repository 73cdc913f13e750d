import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { MillraceError } from "../../schemas/errors.ts";
import { stackEnvironment } from "./stack-environment.ts";

const run = promisify(execFile);

/** One artifact of Maven Central. */
export interface Artifact {
  readonly group: string;
  readonly name: string;
  readonly version: string;
}

/**
 * The folder holding the jars of `artifacts` and of all they need, fetched once into the cache.
 * Two processes may fetch at the same time: each fills a folder of its own, one rename wins.
 *
 * @throws {MillraceError} STACK_MISSING_MAVEN, STACK_FETCH_FAILED.
 */
export async function mavenLibraries(
  name: string,
  artifacts: readonly Artifact[],
): Promise<string> {
  return await cached(name, async (staging) => {
    await writeFile(join(staging, "pom.xml"), pom(artifacts));
    await maven(name, staging, [
      "dependency:copy-dependencies",
      "-DincludeScope=runtime",
      `-DoutputDirectory=${staging}`,
    ]);
  });
}

/** The folder holding one archive, unpacked (`tar.gz`), fetched once into the cache. */
export async function mavenArchive(
  name: string,
  artifact: Artifact,
  classifier: string,
): Promise<string> {
  return await cached(name, async (staging) => {
    const coordinate = `${artifact.group}:${artifact.name}:${artifact.version}`;
    await maven(name, staging, [
      "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy",
      `-Dartifact=${coordinate}:tar.gz:${classifier}`,
      `-DoutputDirectory=${staging}`,
    ]);
    const file = join(staging, `${artifact.name}-${artifact.version}-${classifier}.tar.gz`);
    await run("tar", ["-xzf", file, "-C", staging]).catch((error: unknown) => {
      throw fetchFailed(name, error);
    });
    await rm(file);
  });
}

async function cached(name: string, fill: (staging: string) => Promise<void>): Promise<string> {
  const { cacheDirectory } = stackEnvironment();
  const target = join(cacheDirectory, name);
  if (existsSync(target)) {
    return target;
  }
  await mkdir(cacheDirectory, { recursive: true });
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

async function maven(name: string, directory: string, goals: readonly string[]): Promise<void> {
  try {
    await run("mvn", ["-B", "-q", ...goals], { cwd: directory, timeout: 300_000 });
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
