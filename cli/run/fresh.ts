import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import type { Config } from "../../runtime/config/settings.ts";
import {
  checkFormat,
  clearDataDirectory,
  readManifest,
} from "../../runtime/hosting/data-directory.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { localServerNames } from "../../stacks/local/server-state.ts";
import { checkStack } from "../../stacks/open-stack.ts";

/** What starts over where the data are on servers of others. */
const freshRemedies = {
  compose: (directory: string) =>
    `docker compose down --volumes, remove ${directory}, and docker compose up -d --wait.`,
  cluster: (directory: string) =>
    `delete there what docs/operations.md names ("Starting over"), and here ${directory}.`,
} as const;

/** What a run, a load, a re-reading and the servers of the local stack leave in a directory. */
const ours: ReadonlySet<string> = new Set([
  ...["millrace.json", "millrace.json.tmp", "millrace.sock", "lock", "models"],
  ...["member", "member.tmp"],
  ...["log", "schemas.ndjson", "online", "offline", "spool", "spill", "files"],
  ...["parts.json", "parts.json.tmp", "run.json", "run.json.tmp", "live.json", "live.json.tmp"],
  ...["servers", ...localServerNames],
]);
const isOurs = (name: string) => ours.has(name) || /^(lock\.|reread-)/.test(name);

/**
 * Makes sure that a run may begin or go on in its data directory, before anything in it is opened;
 * with `--fresh` it is emptied first. A directory with other files is never taken: `--fresh` would
 * delete them one day.
 *
 * @throws {MillraceError} DATA_FOREIGN when it holds other files than a run's; DATA_STACK_CHANGED
 * when it is of another stack; DATA_FORMAT when, without `--fresh`, it is of another format;
 * FRESH_REFUSED on servers of others; DATA_LOCKED when it is to be emptied and a run holds it.
 */
export async function prepareData(config: Config): Promise<void> {
  const directory = config.data;
  const manifest = await readManifest(directory);
  if (manifest !== null) checkStack(manifest, config);
  // With --fresh, what another build left is emptied like ours.
  if (manifest !== null && !config.fresh) checkFormat(directory, manifest);
  const { stack } = config;
  if (config.fresh && (stack === "compose" || stack === "cluster")) {
    throw new MillraceError("FRESH_REFUSED", { stack, remedy: freshRemedies[stack](directory) });
  }
  const names = await namesIn(directory);
  if (manifest === null || config.fresh) refuseForeign(directory, names, isOurs);
  if (!config.fresh || names.length === 0) return;
  // A run that died before it wrote its manifest left one of these at least.
  const isMarked =
    manifest !== null ||
    names.includes("schemas.ndjson") ||
    existsSync(join(directory, "servers", "servers.json"));
  if (!isMarked) refuseForeign(directory, names, () => false);
  await clear(config);
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function refuseForeign(
  directory: string,
  names: readonly string[],
  mayStand: (name: string) => boolean,
): void {
  const foreign = names.find((name) => !mayStand(name));
  if (foreign !== undefined) throw new MillraceError("DATA_FOREIGN", { directory, name: foreign });
}

/** Empties a data directory that nobody holds; the local stack's servers are stopped first. */
async function clear({ data: directory, stack }: Config): Promise<void> {
  if (stack === "local") {
    const { clearLocalStack } = await import("../../stacks/local-stack.ts");
    await clearLocalStack(directory);
    return;
  }
  const log = join(directory, "log");
  if (existsSync(log)) {
    try {
      await (await openEmbeddedBroker({ directory: log })).close();
    } catch (error) {
      // A damaged log is no reason to keep it; a living owner is.
      if (error instanceof MillraceError && error.code === "DATA_LOCKED") throw error;
    }
  }
  await clearDataDirectory(directory);
}
