import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import { feastRepository } from "../../serving/feast-definitions.ts";
import { exitCodes } from "../exit.ts";
import type { LoadedApplication } from "../run/claim.ts";

/**
 * `millrace features feast`: writes a feature repository of Feast that reads from a gateway.
 *
 * @param replaces - whether files that are there are written anew.
 * @throws {MillraceError} CONFIG_INVALID, PROJECT_EXISTS.
 */
export function writeFeastRepository(
  { spec }: LoadedApplication,
  out: string,
  gateway: string,
  replaces: boolean,
): number {
  if (!/^https?:\/\/[^\s/]+[^\s]*[^/\s]$/.test(gateway)) {
    const problems = `- --gateway: ${JSON.stringify(gateway)}: write a URL like http://127.0.0.1:8080`;
    throw new MillraceError("CONFIG_INVALID", { count: 1, problems });
  }
  const directory = resolve(out);
  const files = Object.entries(feastRepository(spec.topologies, gateway));
  const there = files.map(([name]) => name).filter((name) => existsSync(join(directory, name)));
  if (there.length > 0 && !replaces) {
    throw new MillraceError("PROJECT_EXISTS", { directory, files: there.join(", ") });
  }
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of files) writeFileSync(join(directory, name), text);
  console.log(`${files.map(([name]) => name).join(" and ")} in ${directory}; there: feast apply`);
  return exitCodes.done;
}
