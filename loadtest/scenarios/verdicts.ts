import type { DayFinding, Findings, ModelFinding, WindowFinding } from "./findings.ts";
import { disturbedFrom, type Scenario } from "./scenarios.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** An alarm must come this long after the disturbance began, at the latest. */
export const alarmWithinMs = 48 * hourMs;
/** Daily AUC that counts as recovered. */
export const recoveredAuc = 0.7;
/** The first recovered day must be over this long after the disturbance began, at the latest. */
export const recoveredWithinMs = 6 * dayMs;
/** What the champion of before must stay below. */
export const oldChampionBelow = 0.63;

/** One promise, what was found, and whether it holds. */
export interface Verdict {
  readonly promise: string;
  readonly found: string;
  readonly holds: boolean;
}

/**
 * Holds what a run left behind against the promise of its scenario. What was never looked at does
 * not hold: no window judged, no disturbed day scored, no model asked for.
 */
export function verdictsOf(scenario: Scenario["name"], findings: Findings): Verdict[] {
  switch (scenario) {
    case "undisturbed":
      return [noAlarm(findings)];
    case "shift":
      return [alarmInTime(findings), recovery(findings), oldChampionLost(findings)];
    case "permute":
      return [nothingLearnt(findings)];
  }
}

const start = Date.parse(disturbedFrom);

function noAlarm({ windows, models }: Findings): Verdict {
  const first = models.find(({ promoted }) => promoted);
  const judged = windows.filter(
    (each) => !Number.isNaN(each.auc) && first !== undefined && each.knownAt > first.effectiveFrom,
  );
  const alarms = windows.filter(({ alarm }) => alarm);
  const days = new Set(judged.map(({ windowStart }) => windowStart)).size;
  const least = Math.min(...judged.map(({ auc }) => auc));
  return {
    promise: "no performance alarm after the first model",
    found:
      `${days} days judged, least AUC ${least.toFixed(3)}; alarms: ` +
      (alarms.length === 0 ? "none" : alarms.map(windowText).join(", ")),
    holds: judged.length > 0 && alarms.length === 0,
  };
}

function alarmInTime({ windows }: Findings): Verdict {
  const alarms = windows.filter(({ alarm }) => alarm);
  const first = alarms[0];
  const afterMs = first === undefined ? Number.NaN : first.knownAt - start;
  return {
    promise: `a performance alarm within ${alarmWithinMs / hourMs} h of event time, none before`,
    found:
      first === undefined
        ? "no alarm"
        : `${windowText(first)}, ${(afterMs / hourMs).toFixed(1)} h after the shift; ` +
          `${alarms.length} alarms in all`,
    holds: afterMs > 0 && afterMs <= alarmWithinMs,
  };
}

/** Recovered is the first day from which on no day is below, so that one lucky day is none. */
function recovery({ days, models }: Findings): Verdict {
  const disturbed = disturbedDays(days);
  let recovered = disturbed.length;
  while (recovered > 0 && isRecovered(disturbed[recovered - 1])) recovered--;
  const day = disturbed[recovered];
  const fell = disturbed.slice(0, recovered);
  const afterMs = day === undefined ? Number.NaN : Date.parse(day.day) + dayMs - start;
  const promoted = models.filter((each) => each.promoted && each.cutoff > start);
  return {
    promise:
      `daily AUC ≥ ${recoveredAuc.toFixed(2)} again within ${recoveredWithinMs / dayMs} days, ` +
      "and from then on",
    found:
      (day === undefined ? "never" : `from ${day.day} (${aucText(day.liveAuc)}) on`) +
      `, after ${fell.map((each) => aucText(each.liveAuc)).join(", ")}; promoted since the ` +
      `shift: ${promoted.map(({ version }) => version).join(", ") || "none"}`,
    holds: fell.length > 0 && afterMs <= recoveredWithinMs,
  };
}

/**
 * Both the AUC over all rows together and the mean of its daily AUCs must be below: the first also
 * rewards telling late days from others, the second does not. Single days vary by ± 0.06 with no
 * disturbance at all: they are told.
 */
function oldChampionLost({ days, oldChampion, oldChampionAuc }: Findings): Verdict {
  const aucs = disturbedDays(days).map((day) => day.oldChampionAuc ?? Number.NaN);
  const mean = aucs.reduce((sum, auc) => sum + auc, 0) / aucs.length;
  const [least, most] = [Math.min(...aucs), Math.max(...aucs)];
  return {
    promise: `the old champion stays below ${oldChampionBelow.toFixed(2)}`,
    found:
      oldChampion === null
        ? "there was no champion"
        : `${oldChampion} would have had ${aucText(oldChampionAuc)} over all rows together, ` +
          `${aucText(mean)} by day on average (${aucText(least)} to ${aucText(most)})`,
    holds: mean < oldChampionBelow && (oldChampionAuc ?? Number.NaN) < oldChampionBelow,
  };
}

function nothingLearnt({ models }: Findings): Verdict {
  const permuted = models.filter(({ firstDeparture }) => firstDeparture >= start);
  const promoted = permuted.filter((each) => each.promoted);
  return {
    promise: "no model whose training rows are all permuted is promoted",
    found:
      `trained on permuted rows alone: ${versions(permuted)}; ` +
      `promoted of these: ${versions(promoted)}`,
    holds: permuted.length > 0 && promoted.length === 0,
  };
}

/** The last day of the range is left out: it has not all its labels. */
function disturbedDays(days: readonly DayFinding[]): readonly DayFinding[] {
  return days.filter(({ day }) => day >= disturbedFrom).slice(0, -1);
}

function isRecovered(day: DayFinding | undefined): boolean {
  return (day?.liveAuc ?? 0) >= recoveredAuc;
}

function windowText({ windowStart, auc, knownAt }: WindowFinding): string {
  const day = new Date(windowStart).toISOString().slice(0, 10);
  return `${day} at ${auc.toFixed(3)}, known ${new Date(knownAt).toISOString().slice(0, 16)}`;
}

function versions(models: readonly ModelFinding[]): string {
  return models.map(({ version }) => version).join(", ") || "none";
}

function aucText(auc: number | null): string {
  return auc === null ? "-" : auc.toFixed(3);
}
