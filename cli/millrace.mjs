#!/usr/bin/env node
/**
 * The command `millrace` of the package: platform check, then the command line. Nothing newer than
 * Node 12 is used up to the check, so that an old Node gets a sentence and not a stack.
 */
import { platformProblem, thisPlatform } from "./setup/platform.mjs";

const problem = platformProblem(thisPlatform());
if (problem) {
  console.error(problem);
  process.exit(2);
} else {
  import("../dist/cli/main.js").catch((error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  });
}
