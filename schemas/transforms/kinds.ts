/** Every kind of stateless step of a stream, one a line. */
export { select } from "./select.ts";
export { where } from "./where.ts";
