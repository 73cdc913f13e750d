import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  clearDataDirectory,
  dataFormat,
  readManifest,
} from "../../runtime/application/data-directory.ts";
import { openEmbeddedBroker } from "../../runtime/broker/embedded/embedded-broker.ts";
import type { Config } from "../../runtime/config/settings.ts";
import { localServerNames } from "../../runtime/stack/server-state.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { checkStack } from "../open-stack.ts";

/** What starts over where the data are on servers of others. */
const freshRemedies = {
  compose: (directory: string) =>
    `docker compose down --volumes, remove ${directory}, and docker compose up -d --wait.`,
  cluster: (directory: string) =>
    `delete there what docs/operations.md names ("Starting over"), and here ${directory}.`,
} as const;

/**
 * Empties a data directory that nobody holds; the local stack's servers are stopped first.
 *
 * @throws {MillraceError} FRESH_REFUSED on servers of others; DATA_LOCKED when a run holds it;
 * DATA_FOREIGN when it holds other files than a run's, which are left alone.
 */
export async function startFresh({ data: directory, stack }: Config): Promise<void> {
  if (stack === "compose" || stack === "cluster") {
    throw new MillraceError("FRESH_REFUSED", { stack, remedy: freshRemedies[stack](directory) });
  }
  if (!existsSync(directory)) return;
  await refuseForeign(directory);
  if (stack === "local") {
    const { clearLocalStack } = await import("../../runtime/application/local-stack.ts");
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

/** Never deletes what is not ours: `--data ~ --fresh` would be a costly mistake. */
async function refuseForeign(directory: string): Promise<void> {
  const { readdir } = await import("node:fs/promises");
  const names = await readdir(directory);
  if (names.length === 0 || (await readManifest(directory)) !== null) return;
  const ours = new Set([
    "log",
    "schemas.ndjson",
    "models",
    "online",
    "offline",
    "spool",
    "run.json",
    ...["lock", "servers", ...localServerNames],
  ]);
  // A run that died before it wrote its manifest left the schema registry's journal at least.
  const marked = names.includes("schemas.ndjson");
  const foreign = names.find(
    (name) => !marked || !(ours.has(name) || name.startsWith("millrace.")),
  );
  if (foreign !== undefined) throw new MillraceError("DATA_FOREIGN", { directory, name: foreign });
}

/** Refuses a data directory of another format or stack before anything in it is opened. */
export async function checkFormat(config: Config): Promise<void> {
  const directory = config.data;
  const manifest = await readManifest(directory);
  if (manifest === null) return;
  checkStack(manifest, config);
  if (manifest.format === dataFormat) return;
  throw new MillraceError("DATA_FORMAT", {
    directory,
    found: manifest.format,
    expected: dataFormat,
  });
}
