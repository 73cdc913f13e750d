/**
 * How each kind of step is checked, compiled and described.
 * Written by `npm run generate` from `schemas/steps/kinds.ts`.
 */
export { dedup } from "./dedup/step.ts";
export { label } from "./label/step.ts";
export { scoring } from "./scoring/step.ts";
export { training } from "./training/step.ts";
export { view } from "./view/step.ts";
export { watch } from "./watch/step.ts";
