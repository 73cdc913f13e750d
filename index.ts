export { MillraceError } from "./schemas/errors.ts";
