import { execFile } from "node:child_process";
import { join } from "node:path";
import { packageRoot } from "../schemas/package-root.ts";
import { foreignProgramMs, pythonEnvironment } from "../testing/requirements-fixture.ts";

/** How a script ended, and what it said. */
export interface ScriptEnd {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a script of the examples in the Python environment that they are tested in. */
export function pythonScript(
  path: readonly string[],
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ScriptEnd> {
  const python = join(pythonEnvironment, "bin", "python");
  const file = join(packageRoot(), "examples", ...path);
  const own = { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env };
  return new Promise((resolve) => {
    const options = { timeout: foreignProgramMs, env: own };
    execFile(python, [file, ...args], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}

/** The value that a script told in its last line, as JSON. */
export function toldBy({ out }: ScriptEnd): unknown {
  return JSON.parse(out.trim().split("\n").at(-1) ?? "");
}
