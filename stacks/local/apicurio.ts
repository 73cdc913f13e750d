import { mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { archiveFlags } from "./class-archive.ts";
import { freePorts } from "./free-ports.ts";
import { findJava, type Java } from "./java.ts";
import { mavenArchive } from "./maven.ts";
import { apicurioPins } from "./pinned-jars.ts";
import { type ServerOptions, type ServerProcess, startServer } from "./server-process.ts";

/** Version of the schema registry Apicurio that the local stack runs. */
export const apicurioVersion = "3.3.3";

/** Where a local schema registry keeps its data and listens. */
export interface ApicurioStackOptions {
  readonly directory: string;
  /** @default a free port */
  readonly port?: number;
}

/** A running schema registry on 127.0.0.1; every subject is BACKWARD compatible by default. */
export interface ApicurioStack extends Pick<ServerProcess, "pid" | "start" | "stop" | "kill"> {
  readonly port: number;
  /** Base of the Confluent interface. */
  readonly url: string;
}

/**
 * Fetches Apicurio from Maven Central into the cache (159 MB), starts it and waits until its
 * Confluent interface answers (4–8 s). Registrations survive SIGKILL.
 *
 * @throws {MillraceError} STACK_MISSING_JAVA (21 or newer), STACK_MISSING_MAVEN,
 * STACK_FETCH_FAILED, STACK_START_FAILED.
 */
export async function startApicurio(options: ApicurioStackOptions): Promise<ApicurioStack> {
  const port = options.port ?? (await freePorts(1))[0] ?? 0;
  const server = await startServer(await apicurioServer({ ...options, port }));
  return {
    port,
    url: registryUrl(port),
    get pid() {
      return server.pid;
    },
    start: () => server.start(),
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}

/** What an Apicurio that keeps its data in the file sets, wherever it runs. */
export function apicurioSettings(file: string): Record<string, string> {
  return {
    "apicurio.rules.global.compatibility": "BACKWARD",
    // Without WRITE_DELAY=0 H2 loses acknowledged registrations on SIGKILL and gives their ids
    // again.
    "apicurio.datasource.url": `jdbc:h2:file:${file};WRITE_DELAY=0`,
  };
}

/** Base of the Confluent interface of an Apicurio on this machine. */
export function registryUrl(port: number): string {
  return `http://127.0.0.1:${port}/apis/ccompat/v7`;
}

/** Resolves when the registry on the port answers. */
export async function probeRegistry(port: number): Promise<void> {
  const signal = AbortSignal.timeout(2_000);
  const answer = await fetch(`${registryUrl(port)}/subjects`, { signal });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
}

interface Programs {
  readonly java: Java;
  /** Folder of Apicurio's jars. */
  readonly home: string;
}

/**
 * Java and Apicurio, fetched into the cache.
 *
 * @throws {MillraceError} STACK_MISSING_JAVA, STACK_MISSING_MAVEN, STACK_FETCH_FAILED.
 */
export async function apicurioPrograms(): Promise<Programs> {
  const java = findJava(21);
  const group = "io.apicurio";
  const artifact = { group, name: "apicurio-registry-app", version: apicurioVersion };
  const home = await mavenArchive(`apicurio-${apicurioVersion}`, artifact, "all", apicurioPins);
  return { java, home };
}

/**
 * All of it as one class path, which a JVM can archive, and not by the class loader of
 * quarkus-run.jar, whose classes it cannot. First what Quarkus made, part of it over the others.
 */
function classPath(home: string): string {
  const folders = ["quarkus", "app", join("lib", "boot"), join("lib", "main")];
  return folders.map((folder) => join(home, folder, "*")).join(delimiter);
}

/**
 * How to start an Apicurio, fetched into the cache.
 *
 * @throws {MillraceError} STACK_MISSING_JAVA, STACK_MISSING_MAVEN, STACK_FETCH_FAILED.
 */
export async function apicurioServer(
  options: Required<ApicurioStackOptions>,
): Promise<ServerOptions> {
  const { port } = options;
  const { java, home } = await apicurioPrograms();
  const [management = 0] = await freePorts(1);
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const data = join(options.directory, "registry");
  return {
    name: "Apicurio",
    command: java.executable,
    args: [
      ...["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", ...archiveFlags(java, home)],
      "-Dquarkus.http.host=127.0.0.1",
      `-Dquarkus.http.port=${port}`,
      // The management port is 0.0.0.0:9000 unless it is set.
      "-Dquarkus.management.host=127.0.0.1",
      `-Dquarkus.management.port=${management}`,
      ...Object.entries(apicurioSettings(data)).map(([name, value]) => `-D${name}=${value}`),
      ...["-cp", classPath(home), "io.quarkus.runner.GeneratedMain"],
    ],
    directory: home,
    logFile: join(options.directory, "apicurio.log"),
    startTimeoutMs: 120_000,
    probe: () => probeRegistry(port),
  };
}
