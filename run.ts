// How a program runs an application: what `millrace run` does, as functions.

export type { RunEnd } from "./cli/run/open-run.ts";
export type { ProgressState } from "./cli/run/progress.ts";
export {
  openStack,
  type RunOptions,
  run,
  type StackOptions,
} from "./cli/run/run-application.ts";
export type { Summary } from "./cli/summary/summary.ts";
export type { Stack } from "./runtime/hosting/stack.ts";
