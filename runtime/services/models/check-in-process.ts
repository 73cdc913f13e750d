import { fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { MillraceError } from "../../../schemas/errors.ts";
import type { PassedModel } from "./check-model.ts";
import type { CheckRequest, CheckVerdict } from "./check-process.ts";

/** A check that takes longer is ended: the model hangs, or is too slow by far. */
const checkLimitMs = 60_000;

/**
 * Checks a model in a process of its own: one that hangs, takes all memory or brings the process
 * down does no harm here.
 *
 * @param limitMs - longest time of the whole check. @default 60000
 * @throws {MillraceError} MODEL_REFUSED saying what to change.
 */
export async function checkInProcess(
  request: CheckRequest,
  limitMs: number = checkLimitMs,
): Promise<PassedModel> {
  const here = fileURLToPath(import.meta.url);
  // Compiled files end in .js, sources run directly in .ts.
  const entry = fileURLToPath(new URL(`./check-process${extname(here)}`, import.meta.url));
  const child = fork(entry, {
    serialization: "advanced",
    // A stranger's file is loaded there: nothing of our settings, among which are passwords.
    env: { ORT_DISABLE_TELEMETRY: "1", TZ: "UTC" },
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const slow = `it did not answer within ${limitMs / 1000} s: make it smaller, or take fewer golden rows`;
  let timer: NodeJS.Timeout | undefined;
  try {
    const verdict = await new Promise<CheckVerdict>((resolve) => {
      const refuse = (refused: string): void => resolve({ refused });
      timer = setTimeout(() => refuse(slow), limitMs);
      child.once("message", (message) => resolve(message as CheckVerdict));
      child.once("error", (error) => refuse(`its check could not run: ${error.message}`));
      child.once("exit", (code, signal) => refuse(`it ended its process (${signal ?? code})`));
      child.send(request);
    });
    if ("passed" in verdict) return verdict.passed;
    const reason = "refused" in verdict ? verdict.refused : verdict.broken;
    throw new MillraceError("MODEL_REFUSED", { reason });
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
  }
}
