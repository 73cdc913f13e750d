import { homedir } from "node:os";
import { join } from "node:path";

/** What local servers take from the environment; the one place of `stacks/local` that reads it. */
export interface StackEnvironment {
  /** Java's home from JAVA_HOME, or null. */
  readonly javaHome: string | null;
  /** Where downloaded servers are kept: MILLRACE_CACHE, or `~/.cache/millrace`. */
  readonly cacheDirectory: string;
  /** Folders of executables, in order. */
  readonly path: readonly string[];
}

/** Reads JAVA_HOME, MILLRACE_CACHE and PATH. */
export function stackEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
): StackEnvironment {
  const { JAVA_HOME: home, MILLRACE_CACHE: cache, PATH: path } = env as Record<string, string>;
  return {
    javaHome: home ? home : null,
    cacheDirectory: cache ? cache : join(homedir(), ".cache", "millrace"),
    path: (path ?? "").split(":").filter((folder) => folder.length > 0),
  };
}

/** The environment of a child process: ours without our settings, among which are passwords. */
export function serverEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(env).filter(([variable]) => !variable.startsWith("MILLRACE_")),
  );
}
