import { execFile } from "node:child_process";
import { cpus, release, totalmem } from "node:os";
import { promisify } from "node:util";

/** Commit and machine of a measurement, one line of Markdown. */
export async function circumstances(): Promise<string> {
  const commit = await promisify(execFile)("git", ["rev-parse", "--short", "HEAD"]).then(
    ({ stdout }) => stdout.trim(),
    () => "unknown",
  );
  const memory = Math.round(totalmem() / 2 ** 30);
  const processors = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`;
  return `Commit ${commit}; ${processors}, ${memory} GiB, Linux ${release()}, Node ${process.version}.`;
}
