/**
 * What each kind of step yields that yields what the oracle compares.
 * Written by `npm run generate` from `schemas/steps/kinds.ts`.
 */
export { dedup } from "./dedup.ts";
export { label } from "./label.ts";
export { scoring } from "./scoring.ts";
export { view } from "./view.ts";
