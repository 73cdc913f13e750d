import { execFile } from "node:child_process";
import { join } from "node:path";
import { packageRoot } from "../../schemas/package-root.ts";
import { pythonEnvironment } from "../../testing/requirements-fixture.ts";

/** Runs a script of the examples with MLflow's client, which asks a gateway. */
export function mlflowScript(url: string, script: string, ...args: readonly string[]) {
  const python = join(pythonEnvironment, "bin", "python");
  const file = join(packageRoot(), "examples", "mlflow", script);
  const env = {
    ...{ PATH: process.env["PATH"], HOME: process.env["HOME"], MLFLOW_TRACKING_URI: url },
    // Refusals are told at once, without tries over minutes.
    ...{ MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1", MLFLOW_DISABLE_TELEMETRY: "true" },
    GIT_PYTHON_REFRESH: "quiet",
  };
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(python, [file, ...args], { timeout: 120_000, env }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}
