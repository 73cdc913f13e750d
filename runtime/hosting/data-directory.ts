import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import { writeWhole } from "./write-whole.ts";

/**
 * Version of what stands in a data directory; another one is refused. Raise it, and the layout
 * version of `runtime/engine/changelog.ts`, with every change of what a task's snapshot holds or of
 * what a processor makes of the inputs in a delta.
 */
export const dataFormat = 6;

/** What a data directory was begun with and how far it has been asked to go. */
export interface DataManifest {
  readonly format: number;
  /** Name of the application, and the module that it came from; null: a program ran it. */
  readonly application: { readonly name: string; readonly module: string | null };
  /** Fingerprints of its topologies, by name. */
  readonly plans: Readonly<Record<string, string>>;
  /** Start of the replayed range, ISO 8601 UTC. */
  readonly from: string;
  /** Latest end asked for, ISO 8601 UTC. */
  readonly to: string;
  /** What besides makes the replay another one, as its feeder says. */
  readonly identity: readonly string[];
  /** The stack that it belongs to. @default "embedded" */
  readonly stack?: string;
  /** Whether it was begun in live mode: then `from` is its first start. @default false */
  readonly live?: boolean;
}

/** What a run asks of a data directory. */
export interface DataClaim extends Omit<DataManifest, "format"> {
  /** Whether it has settings `from` and `to`: they are named where a range is refused. */
  readonly hasRange?: boolean;
}

const manifestName = "millrace.json";

/** The manifest of a data directory, or null when nothing has been begun there. */
export async function readManifest(directory: string): Promise<DataManifest | null> {
  try {
    return JSON.parse(await readFile(join(directory, manifestName), "utf8")) as DataManifest;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/**
 * Makes the directory (owner-only) and writes down what it is for, or checks that a run may go on
 * in it: topologies of the same names, mode, start and identity, and an end that is not earlier.
 * What earlier starts have left that failed before anything ran binds nobody.
 *
 * @param isUntouched - whether nothing has run there: no record was fed, none was processed.
 * @returns the manifest as it stands now.
 * @throws {MillraceError} DATA_FORMAT, DATA_APPLICATION_CHANGED, DATA_MODE_CHANGED,
 * DATA_RANGE_CHANGED, DATA_RANGE_SHORTER.
 */
export async function claimDataDirectory(
  directory: string,
  claim: DataClaim,
  isUntouched: (found: DataManifest) => Promise<boolean> = async () => false,
): Promise<DataManifest> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const found = await readManifest(directory);
  if (found !== null) {
    checkFormat(directory, found);
    try {
      checkClaim(directory, found, claim);
    } catch (error) {
      if (!(await isUntouched(found))) throw error;
    }
  }
  const { hasRange: _, ...told } = claim;
  const manifest: DataManifest = { format: dataFormat, ...told };
  await writeWhole(join(directory, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/**
 * Removes everything in a data directory that a run left there. The caller holds its lock, or
 * nobody does.
 */
export async function clearDataDirectory(directory: string): Promise<void> {
  // The manifest last: without it, what a kill leaves here would be a stranger's.
  for (const name of await readdir(directory).catch(() => [])) {
    if (name !== manifestName) await rm(join(directory, name), { recursive: true, force: true });
  }
  await rm(directory, { recursive: true, force: true });
}

/** @throws {MillraceError} DATA_FORMAT when another build wrote the directory. */
export function checkFormat(directory: string, { format: found }: DataManifest): void {
  const expected = dataFormat;
  if (found !== expected) throw new MillraceError("DATA_FORMAT", { directory, found, expected });
}

/** Fingerprints of topologies, by name. */
export function fingerprintsOf(plans: readonly Plan[]): Record<string, string> {
  return Object.fromEntries(plans.map(({ name, fingerprint }) => [name, fingerprint]));
}

/**
 * @param application - name of the one that is asked for.
 * @param plans - its fingerprints.
 * @throws {MillraceError} DATA_APPLICATION_CHANGED when the directory belongs to an application
 * with other topologies.
 */
export function checkTopologies(
  directory: string,
  found: DataManifest,
  application: string,
  plans: Readonly<Record<string, string>>,
): void {
  const names = (of: Readonly<Record<string, string>>) => Object.keys(of).sort().join(", ");
  if (names(found.plans) === names(plans)) return;
  throw new MillraceError("DATA_APPLICATION_CHANGED", {
    directory,
    found: found.application.name,
    foundPlans: names(found.plans),
    application,
    plans: names(plans),
  });
}

/** What a changed topology means for what runs is told by Kafka, where others run it too. */
function checkClaim(directory: string, found: DataManifest, claim: DataClaim): void {
  checkTopologies(directory, found, claim.application.name, claim.plans);
  if ((found.live ?? false) !== (claim.live ?? false)) {
    const [was, asked] = found.live ? ["live", "to replay"] : ["to replay", "live"];
    throw new MillraceError("DATA_MODE_CHANGED", { directory, found: was, asked });
  }
  const same = (what: string, was: string, asked: string) => {
    if (was === asked) return;
    throw new MillraceError("DATA_RANGE_CHANGED", { directory, what, found: was, asked });
  };
  const { hasRange = true } = claim;
  same(hasRange ? "--from" : "events of its feeder from", found.from, claim.from);
  const identityOf = ({ identity }: Pick<DataClaim, "identity">) =>
    identity.join(" ") || "nothing else";
  same("a feeder of", identityOf(found), identityOf(claim));
  if (claim.to < found.to) {
    const [what, remedy] = hasRange
      ? ["--to", "Ask for a later --to"]
      : ["the events of its feeder, which end at", "Give the feeder the events that it had"];
    const to = { found: found.to, asked: claim.to };
    throw new MillraceError("DATA_RANGE_SHORTER", { directory, what, remedy, ...to });
  }
}
