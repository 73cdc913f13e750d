import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";

/** Of the package, for clients that ask. */
export const { version: packageVersion } = JSON.parse(
  readFileSync(join(packageRoot(), "package.json"), "utf8"),
) as {
  version: string;
};
