import { pythonScript, type ScriptEnd } from "../python-script-fixture.ts";

/** Runs a script of the examples with MLflow's client, which asks a gateway. */
export function mlflowScript(
  url: string,
  script: string,
  ...args: readonly string[]
): Promise<ScriptEnd> {
  return pythonScript(["mlflow", script], args, {
    // Refusals are told at once, without tries over minutes.
    ...{ MLFLOW_TRACKING_URI: url, MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1" },
    ...{ MLFLOW_DISABLE_TELEMETRY: "true", GIT_PYTHON_REFRESH: "quiet" },
  });
}
