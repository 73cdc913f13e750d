import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "./build.mjs";
import { carryOnnxRuntime } from "./carry.mjs";
import { install } from "./install.mjs";
import { runTests } from "./tests.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/**
 * Sets up what is missing, then does what was asked: `--test` runs the tests, `--build` only
 * builds, `--prepack` also gathers what the package carries, `--command NAME …` runs that command,
 * anything else goes to `millrace run`.
 */
export async function launch(args) {
  const say = (line) => console.log(line);
  await install(root, say);
  await build(root, say);
  if (args[0] === "--build") return;
  if (args[0] === "--prepack") {
    carryOnnxRuntime(root);
    return;
  }
  if (args[0] === "--test") {
    process.exitCode = await runTests(root, args.slice(1));
    return;
  }
  await run(args[0] === "--command" ? args.slice(1) : ["run", ...args]);
}

/**
 * Runs the command line in this very process: signals, exit codes and the pid are its own, and
 * there is nothing to pass on and nobody to leave behind.
 */
async function run(args) {
  stopWithNpm();
  const main = join(root, "dist", "cli", "main.js");
  process.argv = [process.argv[0], main, ...args];
  await import(pathToFileURL(main).href);
}

/**
 * When npm is killed, nobody can reach this process by Ctrl-C any more and the next start would
 * find its lock: it stops by itself, cleanly. Between npm and this process stands a shell.
 */
function stopWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const shell = process.ppid;
  const npm = parentOf(shell);
  const watch = setInterval(() => {
    if (process.ppid === shell && parentOf(shell) === npm) return;
    clearInterval(watch);
    process.kill(process.pid, "SIGTERM");
  }, 100);
  watch.unref();
}

/** Parent of a process where /proc says it (Linux), else null. */
function parentOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
  } catch {
    return null;
  }
}
