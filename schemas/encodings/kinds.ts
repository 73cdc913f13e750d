/** Every encoding of texts into vectors, one a line: the verb of users is its name. */
export { hashed } from "./hashed.ts";
export { oneHot } from "./one-hot.ts";
