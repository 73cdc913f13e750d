import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeWhole } from "../runtime/hosting/write-whole.ts";
import { MillraceError } from "../schemas/errors.ts";

/** What a data directory consists of. */
export interface DataParts {
  /** Folders that the others cannot do without; each bears the mark of the whole. */
  readonly folders: readonly string[];
  /** Files that must be there once the whole is. @default none */
  readonly files?: readonly string[];
  /** What is lost or strange when these do not fit, for people. */
  readonly others: string;
}

/** In the data directory: the mark of the whole, written once all parts of it are there. */
const wholeName = "parts.json";
/** In each folder: the same mark. */
const markName = "millrace-part.json";

/**
 * Refuses parts of a data directory that do not belong together, before anything is opened: beside
 * a log that was lost, or is another directory's, the stores would get every row a second time.
 *
 * @throws {MillraceError} DATA_PARTS.
 */
export async function checkDataParts(directory: string, parts: DataParts): Promise<void> {
  const whole = await readMark(join(directory, wholeName));
  if (whole === null) return;
  const { others } = parts;
  const refuse = (part: string, what: string) => {
    throw new MillraceError("DATA_PARTS", { directory, part, what, others });
  };
  for (const folder of parts.folders) {
    if (!existsSync(join(directory, folder))) refuse(folder, "is missing");
    const mark = await readMark(join(directory, folder, markName));
    if (mark !== whole) refuse(folder, mark === null ? "is new" : "is of another data directory");
  }
  for (const file of parts.files ?? []) {
    if (!existsSync(join(directory, file))) refuse(file, "is missing");
  }
}

/** Marks parts that have just been made, or were made before there were marks, as one whole. */
export async function markDataParts(directory: string, parts: DataParts): Promise<void> {
  if ((await readMark(join(directory, wholeName))) !== null) return;
  const mark = randomUUID();
  for (const folder of parts.folders) {
    await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
    await writeMark(join(directory, folder, markName), mark);
  }
  // Last: a start that is cut off before marks them all again.
  await writeMark(join(directory, wholeName), mark);
}

async function readMark(path: string): Promise<string | null> {
  try {
    return (JSON.parse(await readFile(path, "utf8")) as { readonly id: string }).id;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

async function writeMark(path: string, id: string): Promise<void> {
  await writeWhole(path, `${JSON.stringify({ id })}\n`);
}
