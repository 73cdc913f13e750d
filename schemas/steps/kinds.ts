/** Every kind of step, one a line: its name in a plan. */
export { dedup } from "./dedup.ts";
export { label } from "./label.ts";
export { scoring } from "./scoring.ts";
export { training } from "./training.ts";
export { view } from "./view.ts";
export { watch } from "./watch.ts";
