/**
 * What the tasks of each kind of step do that has tasks.
 * Written by `npm run generate` from `schemas/steps/kinds.ts`.
 */
export { dedup } from "./dedup.ts";
export { scoring } from "./scoring.ts";
export { training } from "./training.ts";
export { view } from "./view.ts";
export { watch } from "./watch.ts";
