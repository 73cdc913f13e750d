import { Worker } from "node:worker_threads";

/** Between two looks whether the parent is there, ms. */
const lookEveryMs = 1_000;

/** Native code may hold up the thread that would hear of it, so that another one looks. */
const watch = `
const { workerData } = require("node:worker_threads");
setInterval(() => {
  if (process.ppid !== workerData.parent) process.kill(process.pid, "SIGKILL");
}, workerData.everyMs);
`;

/** Ends this process within a second of its parent's end, whatever it is at by then. */
export function endWithParent(): void {
  const workerData = { parent: process.ppid, everyMs: lookEveryMs };
  const options = { eval: true, workerData, execArgv: [], env: {}, stdin: false };
  const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 };
  new Worker(watch, { ...options, resourceLimits }).unref();
}
