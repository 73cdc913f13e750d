/** Every kind of aggregate, one a line: the key in a plan and the function in `agg` is its name. */
export { count } from "./count.ts";
export { distinct } from "./distinct.ts";
export { first } from "./first.ts";
export { last } from "./last.ts";
export { max } from "./max.ts";
export { mean } from "./mean.ts";
export { min } from "./min.ts";
export { quantile } from "./quantile.ts";
export { share } from "./share.ts";
export { sinceLast } from "./since-last.ts";
export { stddev } from "./stddev.ts";
export { sum } from "./sum.ts";
