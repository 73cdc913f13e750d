import type { ModelLine } from "../serving/inspector.ts";
import { table } from "./table.ts";

/** Versions for people; below, why a training made no model. */
export function modelTable(lines: readonly ModelLine[]): string {
  const auc = (value: number | null) => (value === null ? "-" : value.toFixed(3));
  const all = table(
    [
      "version",
      "promoted",
      "in force after",
      "trained on",
      "holdout AUC",
      "scored",
      "live AUC",
      "sha256",
    ],
    lines.map((line) => [
      line.version,
      line.promoted ? "yes" : line.sha256 === "" ? "no model" : "no",
      line.effectiveFrom,
      line.trainedOn.toLocaleString("en-US"),
      auc(line.holdoutAuc),
      line.scored.toLocaleString("en-US"),
      auc(line.liveAuc),
      line.sha256.slice(0, 12),
    ]),
  );
  // A training that made no model has its number too.
  const without = lines.filter(({ sha256 }) => sha256 === "");
  return [all, ...without.map(({ version, reason }) => `${version}: ${reason}`)].join("\n");
}
