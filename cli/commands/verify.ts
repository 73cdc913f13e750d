import { readManifest } from "../../runtime/application/data-directory.ts";
import type { Stack } from "../../runtime/application/stack.ts";
import type { ResolvedConfig } from "../../runtime/config.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { exitCodes } from "../exit.ts";
import { checkRun } from "../flights/oracle/check-run.ts";
import { checkStack, openStack } from "../open-stack.ts";
import { verifyText } from "../verify/print.ts";
import { verifyRun } from "../verify/verify-run.ts";
import { writeOut } from "../write-out.ts";

/**
 * `millrace verify`: exits 1 naming what is missing or wrong.
 *
 * @param points - look-ups to recompute in SQL over the raw file.
 */
export async function verify(
  resolved: ResolvedConfig,
  points: number,
  options: { readonly json?: boolean },
): Promise<number> {
  const { data } = resolved.config;
  const manifest = await readManifest(data);
  if (manifest === null) throw new MillraceError("DATA_MISSING", { directory: data });
  checkStack(manifest, resolved.config);
  const stack = await openStack(resolved.config, { exclusive: true });
  try {
    const { broker, registry, offline } = stack;
    if (points > 0 && stack.files !== offline) {
      throw new MillraceError("OFFLINE_ELSEWHERE", { stack: stack.kind });
    }
    const report = await verifyRun({ plan, broker, registry, offline });
    const range = { from: Date.parse(manifest.from), to: Date.parse(manifest.to) };
    const recomputed = await recompute(stack, { ...range, inject: manifest.inject, points });
    const problems = [...report.problems, ...recomputed.problems];
    writeOut(
      options.json
        ? JSON.stringify({ ...report, ...recomputed, problems }, null, 2)
        : `${recomputed.text}${verifyText({ ...report, problems })}`,
    );
    return problems.length === 0 ? exitCodes.done : exitCodes.failed;
  } finally {
    await stack.close();
  }
}

/** Look-ups against SQL over the raw file, when points are asked for. */
async function recompute(
  stack: Stack,
  run: { from: number; to: number; inject: readonly string[]; points: number },
): Promise<{ checked: number; problems: string[]; text: string }> {
  if (run.points === 0) return { checked: 0, problems: [], text: "" };
  const { checked, mismatched, mismatches } = await checkRun({ plan, stack, ...run });
  const shown = checked.toLocaleString("en-US");
  return {
    checked,
    problems: mismatches.map(
      ({ view, key, q, column, expected, found }) =>
        `${view} of ${key} at ${new Date(q).toISOString()}: ${column} is ${found}, not ${expected}`,
    ),
    text: `${shown} look-ups recomputed in SQL over the raw file: ${mismatched} differ\n\n`,
  };
}
