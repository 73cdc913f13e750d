import type { ModelLine } from "../serving/inspector.ts";
import { table } from "./table.ts";

/** What a version is called among others: with its model where there are several. */
export function versionNames(lines: readonly { readonly model: string }[]) {
  const several = new Set(lines.map(({ model }) => model)).size > 1;
  return ({ model, version }: Pick<ModelLine, "model" | "version">): string =>
    several ? `${model} ${version}` : version;
}

/** Versions for people; below, why a training made no model. */
export function modelTable(lines: readonly ModelLine[]): string {
  const name = versionNames(lines);
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
      name(line),
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
  return [all, ...without.map((line) => `${name(line)}: ${line.reason}`)].join("\n");
}
