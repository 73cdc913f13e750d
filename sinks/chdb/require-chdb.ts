import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import { packageRoot } from "../../schemas/package-root.ts";

/**
 * Checks that chDB is there. It is half a gigabyte that only the embedded and the local stack use:
 * the package leaves it to those who do.
 *
 * @throws {MillraceError} PACKAGE_MISSING when it is not installed.
 */
export function requireChdb(): void {
  try {
    createRequire(import.meta.url).resolve("chdb");
  } catch {
    const about = readFileSync(join(packageRoot(), "package.json"), "utf8");
    const { peerDependencies } = JSON.parse(about) as {
      readonly peerDependencies: Readonly<Record<"chdb", string>>;
    };
    const [what, name, version] = ["The offline store chDB", "chdb", peerDependencies.chdb];
    throw new MillraceError("PACKAGE_MISSING", { what, name, version });
  }
}
