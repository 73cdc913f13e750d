/**
 * ONNX Runtime reports its use unless it is told not to: it looks names up, writes an id below the
 * home directory and a log into the temporary folder. It reads the environment of the process, so
 * this must run in the main thread before any thread that scores or trains begins: what a thread
 * sets stays in the thread.
 */
export function turnOffTelemetry(): void {
  process.env["ORT_DISABLE_TELEMETRY"] = "1";
}
