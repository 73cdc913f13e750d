import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../schemas/package-root.ts";
import { findJava } from "../stacks/local/java.ts";
import { stackEnvironment } from "../stacks/local/stack-environment.ts";

/** A program that some tests need and that `npm install` does not bring. */
export type Requirement =
  | "java"
  | "java-21"
  | "maven"
  | "redis-server"
  | "openssl"
  | "python-clients"
  | "python-clients-alone"
  | "kcat"
  | "zsh"
  | "curl"
  | "go"
  | "mount";

/** Folder of the Python environment that the examples are tested in, below the package. */
export const pythonEnvironment = join(packageRoot(), ".build", "python");

/**
 * How long a program of others may take until it is taken for one that hangs, in ms. On a machine
 * that is busy Python takes a minute to read and compile what it imports for the first time.
 */
export const foreignProgramMs = 300_000;

interface RequirementEntry {
  /** What is missing, for people. */
  readonly what: string;
  readonly found: () => boolean;
  /** Packages of the two systems, or the command for both. */
  readonly install: { readonly apt: string; readonly brew: string } | string;
}

const entries: Readonly<Record<Requirement, RequirementEntry>> = {
  java: {
    what: "Java 17 or newer (Apache Kafka)",
    found: () => hasJava(17),
    install: { apt: "openjdk-17-jre-headless", brew: "openjdk" },
  },
  "java-21": {
    what: "Java 21 or newer (the schema registry Apicurio)",
    found: () => hasJava(21),
    install: { apt: "openjdk-21-jre-headless", brew: "openjdk" },
  },
  maven: {
    what: "Maven (fetches Apache Kafka and Apicurio)",
    found: () => onPath("mvn"),
    install: { apt: "maven", brew: "maven" },
  },
  "redis-server": {
    what: "redis-server",
    found: () => onPath("redis-server"),
    install: { apt: "redis-server", brew: "redis" },
  },
  openssl: {
    what: "openssl (makes certificates for servers with TLS)",
    found: () => onPath("openssl"),
    install: { apt: "openssl", brew: "openssl" },
  },
  "python-clients": {
    what: "a Python with the clients of examples/",
    found: () => hasModules(pythonClients),
    install:
      "python3 -m venv .build/python && .build/python/bin/pip install -r examples/requirements.txt",
  },
  "python-clients-alone": {
    what: "the Python clients of Feast and KServe",
    found: () => hasModules(["feast", "kserve"]),
    install: ".build/python/bin/pip install --no-deps -r examples/requirements-no-deps.txt",
  },
  kcat: {
    what: "kcat and curl",
    found: () => onPath("kcat") && onPath("curl"),
    install: { apt: "kcat curl", brew: "kcat curl" },
  },
  go: {
    what: "Go (builds k6 with the extension of the load tests)",
    found: () => onPath("go") || existsSync("/usr/local/go/bin/go"),
    install: { apt: "golang-go", brew: "go" },
  },
  zsh: {
    what: "zsh",
    found: () => onPath("zsh"),
    install: { apt: "zsh", brew: "zsh" },
  },
  curl: {
    what: "curl",
    found: () => onPath("curl"),
    install: { apt: "curl", brew: "curl" },
  },
  mount: {
    what: "the right to mount a file system (Linux, as root)",
    found: () => spawnSync("unshare", ["--mount", "true"]).status === 0,
    install: "run the tests as root on Linux",
  },
};

/** All of them, in the order in which they are reported. */
export const requirements = Object.keys(entries) as readonly Requirement[];

/**
 * Whether this machine lacks what a test needs, as node:test's `skip`: false, or the reason with
 * the command that installs it.
 *
 * @throws {Error} when it is missing and MILLRACE_REQUIRE_ALL=1, as in CI: nothing is skipped
 * there.
 * @example test("two writers", { skip: requirement("redis-server") }, () => { … })
 */
export function requirement(...names: readonly Requirement[]): false | string {
  const missing = names.map(missingRequirement).filter((reason) => reason !== null);
  if (missing.length === 0) return false;
  const reason = missing.join("; ");
  if (process.env["MILLRACE_REQUIRE_ALL"] === "1") {
    throw new Error(`MILLRACE_REQUIRE_ALL=1, and this machine lacks ${reason}.`);
  }
  return `needs ${reason}`;
}

/** What is missing and the command that installs it, or null when it is there. */
export function missingRequirement(name: Requirement): string | null {
  const entry = entries[name];
  return entry.found() ? null : `${entry.what}: ${installCommand(entry)}`;
}

function installCommand({ install }: RequirementEntry): string {
  if (typeof install === "string") return install;
  if (process.platform === "darwin") return `brew install ${install.brew}`;
  return `sudo apt-get install -y ${install.apt}`;
}

function hasJava(version: number): boolean {
  try {
    return findJava(version).version >= version;
  } catch {
    return false;
  }
}

function onPath(program: string): boolean {
  return stackEnvironment().path.some((folder) => existsSync(join(folder, program)));
}

const pythonClients = [
  ...["confluent_kafka", "clickhouse_connect", "grpc_tools", "requests", "tritonclient", "mlflow"],
];

function hasModules(modules: readonly string[]): boolean {
  const libraries = join(pythonEnvironment, "lib");
  if (!existsSync(libraries)) return false;
  return readdirSync(libraries).some((version) =>
    modules.every((name) => existsSync(join(libraries, version, "site-packages", name))),
  );
}
