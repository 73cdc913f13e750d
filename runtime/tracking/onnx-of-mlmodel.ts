import { MillraceError } from "../../schemas/errors.ts";

/** The file in which MLflow says what a folder is as a model. */
export const mlmodelName = "MLmodel";

/**
 * Path of the ONNX file of a model that MLflow has logged, within its folder: what its MLmodel
 * names under the flavor `onnx`, or the only file of that kind.
 *
 * @param mlmodel - null: there is none.
 * @throws {MillraceError} MODEL_REFUSED saying how to log one.
 */
export function onnxPathIn(paths: readonly string[], mlmodel: string | null): string {
  const named = mlmodel === null ? null : dataOfFlavor(mlmodel, "onnx");
  if (named !== null && paths.includes(named)) return named;
  const files = paths.filter((path) => path.endsWith(".onnx"));
  const [only] = files;
  if (only !== undefined && files.length === 1) return only;
  const found = paths.slice(0, 10).join(", ") || "no file";
  const reason = `there is no ONNX model in it but ${found}: log it with mlflow.onnx.log_model, converted if need be (skl2onnx, onnxmltools)`;
  throw new MillraceError("MODEL_REFUSED", { reason });
}

/** The value of `data` under a flavor. MLflow writes MLmodel as YAML in block style. */
function dataOfFlavor(mlmodel: string, flavor: string): string | null {
  const lines = mlmodel.split(/\r?\n/);
  const start = lines.findIndex((line) => line.trimEnd() === `  ${flavor}:`);
  if (start < 0) return null;
  for (const line of lines.slice(start + 1)) {
    if (line.trim() !== "" && !/^ {4}/.test(line)) return null;
    const [, value] = /^ {4}data: +(.+?) *$/.exec(line) ?? [];
    if (value !== undefined) return value.replace(/^(['"])(.*)\1$/, "$2");
  }
  return null;
}

/** An MLmodel for a model that came another way, so that `mlflow.onnx.load_model` takes it. */
export function mlmodelText(at: number): string {
  const time = new Date(at).toISOString().replace("T", " ").replace("Z", "");
  return [
    ...["flavors:", "  onnx:", "    code: null", "    data: model.onnx"],
    ...["    providers:", "    - CPUExecutionProvider", "    onnx_session_options: null"],
    ...["  python_function:", "    data: model.onnx", "    loader_module: mlflow.onnx"],
    ...[`utc_time_created: '${time}'`, ""],
  ].join("\n");
}
