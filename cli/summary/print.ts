import { plainText } from "../../schemas/plain-text.ts";
import { versionNames } from "../model-table.ts";
import { table } from "../table.ts";
import { groundTruthText } from "./ground-truth-text.ts";
import type { Summary, TopologySummary } from "./summary.ts";

/** What a stream's own verbs left out, where there is such. */
function leftOutText({ excluded, duplicates }: TopologySummary): string {
  const byWhere = excluded === 0 ? "" : `, ${count(excluded)} excluded by where`;
  return duplicates === 0 ? byWhere : `${byWhere}, ${count(duplicates)} duplicates`;
}

/** How many records that were, each counted once. */
function distinct(records: number): string {
  return records === 0 ? "" : ` (${count(records)} ${records === 1 ? "record" : "records"})`;
}

/** The summary for people. */
export function summaryText(summary: Summary, problems: readonly string[]): string {
  const { range, features, predictions, outcomes, throughput, memory, models } = summary;
  const lines = [
    `${range.from.slice(0, 16)} to ${range.to.slice(0, 16)} UTC on the ${summary.stack} stack`,
  ];
  for (const [name, topology] of Object.entries(summary.topologies)) {
    lines.push(
      `${name}: ${count(topology.in)} in (every branch of a source counts), ` +
        `${count(topology.processed)} processed, ` +
        `${count(topology.late)} late${distinct(topology.rejects.lateRecords)}, ` +
        `${count(topology.deadLettered)} dead-lettered${distinct(topology.rejects.deadLetters)}, ` +
        `${count(topology.filtered)} filtered` +
        leftOutText(topology),
    );
  }
  lines.push(`feature rows   ${count(features.rows)}`);
  if (predictions.total > 0) {
    lines.push(
      `predictions    ${count(predictions.total)}, ${count(predictions.fallback)} by the fallback` +
        (summary.fallbackAuc === null ? "" : ` (AUC ${auc(summary.fallbackAuc)})`),
      `ground truth   ${groundTruthText(outcomes)}`,
    );
  }
  lines.push(
    `throughput     ${count(Math.round(throughput.eventsPerSecond))} events/s`,
    `memory         ${megabytes(memory.maxRssBytes)} MB at most${workersText(memory)}`,
  );
  if (models.length > 0) lines.push("", modelTable(models), "");
  lines.push(...deadLetterLines(summary), balanceText(summary, problems));
  return lines.join("\n");
}

/** Of what was refused, by its code: it counts in no feature, prediction or label. */
function deadLetterLines({ topologies }: Summary): string[] {
  return Object.entries(topologies).flatMap(([name, { rejects }]) => {
    const byCode = Object.entries(rejects.deadLettersByCode);
    if (byCode.length === 0) return [];
    const codes = byCode.map(([code, letters]) => `${count(letters)} ${code}`).join(", ");
    return [
      `WARNING: ${name} refused records: ${codes}. millrace dead-letters list says why, of each.`,
    ];
  });
}

function balanceText({ balanced }: Summary, problems: readonly string[]): string {
  if (balanced === null) {
    return "Not added up: other runs of this have tasks, too. millrace verify counts the records of all.";
  }
  return balanced
    ? "Balanced: every record is accounted for."
    : `NOT balanced:\n${problems.map((problem) => `- ${plainText(problem)}`).join("\n")}`;
}

function modelTable(models: Summary["models"]): string {
  const name = versionNames(models);
  return table(
    ["model", "promoted", "in force after", "trained on", "holdout AUC", "scored", "live AUC"],
    models.map((model) => [
      name(model),
      // A training that made none has its number too; `millrace models` says why.
      model.promoted ? "yes" : model.sha256 === "" ? "no model" : "no",
      model.effectiveFrom.slice(0, 16).replace("T", " "),
      count(model.trainedOn),
      auc(model.holdoutAuc),
      count(model.scored),
      auc(model.liveAuc),
    ]),
  );
}

/** Of several workers, each one's. */
function workersText({ workerMaxRssBytes }: Summary["memory"]): string {
  const sizes = Object.values(workerMaxRssBytes).map(megabytes);
  return sizes.length > 1 ? `; workers ${sizes.join(", ")} MB` : "";
}

function megabytes(bytes: number): string {
  return count(Math.round(bytes / 2 ** 20));
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function auc(value: number | null): string {
  return value === null ? "-" : value.toFixed(3);
}
