/** A process that runs transactions until it is killed; it says on its output how far it is. */
import { writeSync } from "node:fs";
import { runTransactions } from "./crash-workload-fixture.ts";
import type { StoragePoint } from "./storage.ts";

const [directory = "", point = "", at = "0"] = process.argv.slice(2);
let calls = 0;

/** Kills itself at the n-th call of a point, if one was named. */
function faults(reached: StoragePoint): void {
  if (reached === point && ++calls === Number(at)) process.kill(process.pid, "SIGKILL");
}

await runTransactions({ directory, faults }, 1_000_000, {
  begun: (number) => writeSync(1, `b${number}\n`),
  acknowledged: (number) => writeSync(1, `a${number}\n`),
});
