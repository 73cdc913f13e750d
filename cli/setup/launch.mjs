import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "./build.mjs";
import { install } from "./install.mjs";
import { runTests } from "./tests.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/**
 * Sets up what is missing, then does what was asked: `--test` runs the tests, `--build` only
 * builds, anything else goes to `millrace run`.
 */
export async function launch(args) {
  const say = (line) => console.log(line);
  await install(root, say);
  await build(root, say);
  if (args[0] === "--build") return;
  if (args[0] === "--test") {
    process.exitCode = await runTests(root, args.slice(1));
    return;
  }
  await run(args);
}

/**
 * Runs the command line in this very process: signals, exit codes and the pid are its own, and
 * there is nothing to pass on and nobody to leave behind.
 */
async function run(args) {
  stopWithNpm();
  const main = join(root, "dist", "cli", "main.js");
  process.argv = [process.argv[0], main, "run", ...args];
  await import(pathToFileURL(main).href);
}

/** When npm is killed nobody can reach this process by Ctrl-C any more: it stops by itself. */
function stopWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, "SIGTERM");
  }, 250).unref();
}
