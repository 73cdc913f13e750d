import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../../schemas/package-root.ts";
import { turnOffTelemetry } from "../../config/onnx-telemetry.ts";

export type OnnxRuntime = typeof import("onnxruntime-node");

/** Loads ONNX Runtime: the one that the package carries, in the repository that of node_modules. */
export async function loadOnnxRuntime(): Promise<OnnxRuntime> {
  turnOffTelemetry();
  const carried = join(packageRoot(), "vendor", "onnxruntime-node", "dist", "index.js");
  if (!existsSync(carried)) return await import("onnxruntime-node");
  return (await import(pathToFileURL(carried).href)) as OnnxRuntime;
}
