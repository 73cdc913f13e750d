#!/usr/bin/env node
/**
 * `npm start`, `npm test` and `npm run build`: platform check, install, build, then the work.
 * Plain JavaScript without dependencies: it runs before anything is installed. Nothing newer than
 * Node 12 is used up to the platform check, so that an old Node gets a sentence and not a stack.
 */
import { platformProblem, thisPlatform } from "./setup/platform.mjs";

const problem = platformProblem(thisPlatform());
if (problem) {
  console.error(problem);
  process.exit(2);
} else {
  import("./setup/launch.mjs")
    .then((setup) => setup.launch(process.argv.slice(2)))
    .catch((error) => {
      console.error(error instanceof Error ? error.message : error);
      process.exit(1);
    });
}
