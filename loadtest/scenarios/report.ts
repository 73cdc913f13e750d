import type { DayFinding, Findings, ModelFinding, WindowFinding } from "./findings.ts";
import { commandOf, disturbedFrom, type Scenario, scenarioRange } from "./scenarios.ts";
import type { Verdict } from "./verdicts.ts";

/** A scenario that was run. */
export interface Played {
  readonly scenario: Scenario;
  readonly seconds: number;
  readonly findings: Findings;
  readonly verdicts: readonly Verdict[];
}

/**
 * A report in Markdown.
 *
 * @param options - as given on the command line, behind a blank.
 * @param circumstances - commit and machine.
 */
export function reportText(
  played: readonly Played[],
  options: string,
  circumstances: string,
): string {
  const { from, to } = scenarioRange;
  return [
    `# Drift between ${from} and ${to}, disturbed from ${disturbedFrom}`,
    "",
    `Command: \`node dist/loadtest/scenarios.js${options}\``,
    `${circumstances} Other work may have run on the machine: times are not meant for comparison.`,
    "",
    "| run | promise | found | |",
    "| --- | --- | --- | --- |",
    ...played.flatMap(({ scenario, verdicts }) =>
      verdicts.map(
        ({ promise, found, holds }) =>
          `| ${scenario.name} | ${promise} | ${found} | ${holds ? "holds" : "FAILS"} |`,
      ),
    ),
    "",
    "A day is a UTC day of departures. Live AUC: of the answers that the models gave. Old champion:",
    "the model in force when the disturbance began, on the features that were served later. Rows",
    "trained on: departures of the rows that a model was fitted on.",
    ...played.flatMap(scenarioLines),
    "",
  ].join("\n");
}

function scenarioLines({ scenario, seconds, findings }: Played): string[] {
  const judgedOn = (day: string) =>
    findings.windows.filter(({ windowStart }) => dayText(windowStart) === day);
  return [
    "",
    `## ${scenario.name}`,
    "",
    `\`millrace ${commandOf(scenario).join(" ")}\`, ${seconds.toFixed(0)} s`,
    "",
    "| day | late share | scored | live AUC | old champion | judged | alarm |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...findings.days.map((day) => dayLine(day, judgedOn(day.day))),
    "",
    "| model | asked | rows trained on | holdout AUC | champion's | promoted |",
    "| --- | --- | --- | --- | --- | --- |",
    ...findings.models.map(modelLine),
  ];
}

function dayLine(day: DayFinding, parts: readonly WindowFinding[]): string {
  const [first] = parts;
  const cells = [
    day.day,
    day.lateShare.toFixed(3),
    day.scored.toLocaleString("en-US"),
    aucText(day.liveAuc),
    aucText(day.oldChampionAuc),
    first === undefined ? "-" : timeText(first.knownAt),
    parts.some(({ alarm }) => alarm) ? "alarm" : "",
  ];
  return `| ${cells.join(" | ")} |`;
}

function modelLine(model: ModelFinding): string {
  const rows =
    model.trainedOn === 0
      ? "none"
      : `${model.trainedOn.toLocaleString("en-US")}: ${timeText(model.firstDeparture)} to ` +
        timeText(model.lastDeparture);
  const cells = [
    model.version,
    timeText(model.cutoff),
    rows,
    aucText(model.holdoutAuc),
    aucText(model.championAuc),
    model.promoted ? "yes" : "no",
  ];
  return `| ${cells.join(" | ")} |`;
}

function dayText(instant: number): string {
  return new Date(instant).toISOString().slice(0, 10);
}

function timeText(instant: number): string {
  return new Date(instant).toISOString().slice(0, 16);
}

function aucText(auc: number | null): string {
  return auc === null ? "-" : auc.toFixed(3);
}
