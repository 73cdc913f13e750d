import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import { type StackEnvironment, serverEnvironment, stackEnvironment } from "./stack-environment.ts";

/** A Java found on this machine. */
export interface Java {
  readonly executable: string;
  readonly home: string;
  /** Feature release, e.g. 17. */
  readonly version: number;
}

const jvmFolders = ["/usr/lib/jvm", "/Library/Java/JavaVirtualMachines", "/opt"];

/**
 * The first Java of at least `version`: JAVA_HOME, the PATH, then the usual folders.
 *
 * @throws {MillraceError} STACK_MISSING_JAVA when there is none; it names the install command.
 */
export function findJava(version: number, environment = stackEnvironment()): Java {
  for (const home of javaHomes(environment)) {
    const java = javaAt(home);
    if (java !== null && java.version >= version) {
      return java;
    }
  }
  throw new MillraceError("STACK_MISSING_JAVA", { version });
}

function* javaHomes(environment: StackEnvironment): Generator<string> {
  if (environment.javaHome !== null) {
    yield environment.javaHome;
  }
  for (const folder of environment.path) {
    if (existsSync(join(folder, "java"))) {
      yield join(folder, "..");
    }
  }
  for (const folder of jvmFolders) {
    for (const name of existsSync(folder) ? readdirSync(folder).sort() : []) {
      yield join(folder, name);
      yield join(folder, name, "Contents", "Home");
    }
  }
}

function javaAt(home: string): Java | null {
  const executable = join(home, "bin", "java");
  if (!existsSync(executable)) {
    return null;
  }
  const text = releaseText(home) ?? versionText(executable);
  const found = /"(?:1\.)?(\d+)/.exec(text ?? "");
  return found?.[1] === undefined ? null : { executable, home, version: Number(found[1]) };
}

function releaseText(home: string): string | null {
  const file = join(home, "release");
  if (!existsSync(file)) {
    return null;
  }
  const line = /^JAVA_VERSION=.*$/m.exec(readFileSync(file, "utf8"));
  return line === null ? null : line[0];
}

function versionText(executable: string): string | null {
  try {
    return execFileSync("/bin/sh", ["-c", '"$0" -version 2>&1', executable], {
      encoding: "utf8",
      env: serverEnvironment(),
      timeout: 20_000,
    });
  } catch {
    return null;
  }
}
