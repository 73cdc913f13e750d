import type { ChaosCase, ChaosResult } from "./chaos-case.ts";
import { type KillPoint, killPoints, type Outage } from "./chaos-plan.ts";

const meanings: Readonly<Record<KillPoint, string>> = {
  transaction: "SIGKILL with a transaction open",
  "before-write": "SIGKILL between a Kafka commit and a sink's write",
  "after-write": "SIGKILL after a sink's write, before its offset is committed",
  restore: "SIGKILL in restore",
  anywhere: "SIGKILL anywhere",
};

/** A point, how often it was planned, how often it was reached. */
interface Line {
  readonly what: string;
  readonly planned: number;
  readonly achieved: number;
}

function lines({ steps }: ChaosCase, { achieved }: ChaosResult): Line[] {
  const restores = steps.filter((step) => step.kind === "kill" && step.againAfterReads !== null);
  const planned = (point: KillPoint) =>
    point === "restore"
      ? restores.length
      : steps.filter((step) => step.kind === "kill" && step.point === point).length;
  const frozen = (last: boolean) =>
    steps.filter((step) => step.kind === "freeze" && step.last === last).length;
  const outages = (how: Outage["how"]) =>
    steps.filter((step) => step.kind === "outage" && step.how === how).length;
  return [
    ...killPoints.map((point) => ({
      what: meanings[point],
      planned: planned(point),
      achieved: achieved[point],
    })),
    {
      what: "SIGSTOP with an unsent Redis batch",
      planned: frozen(false),
      achieved: achieved.frozen,
    },
    {
      what: "the same, at the end of the input",
      planned: frozen(true),
      achieved: achieved["frozen at the end"],
    },
    { what: "SIGSTOP of Kafka", planned: outages("pause"), achieved: achieved["Kafka paused"] },
    { what: "SIGKILL of Kafka", planned: outages("kill"), achieved: achieved["Kafka killed"] },
  ];
}

/** Whether everything planned was done, and the comparison ended as it must. */
export function isGood(given: ChaosCase, result: ChaosResult): boolean {
  if (result.failure !== null) return false;
  if (lines(given, result).some(({ planned, achieved }) => planned !== achieved)) return false;
  const equal = result.checks.every(({ good }) => good);
  return given.control === "none" ? equal : !equal;
}

/** One line on how a case ended. */
export function verdict(given: ChaosCase, result: ChaosResult): string {
  const { control, seed } = given;
  const name =
    control === "none" ? `seed ${seed}` : `seed ${seed}, without ${withoutText[control]}`;
  const wrong = result.checks.filter(({ good }) => !good).length;
  const comparison =
    wrong === 0 ? "everything equal" : `${wrong} of ${result.checks.length} differ`;
  const end = result.failure === null ? comparison : `NOT CARRIED OUT: ${result.failure}`;
  const good = isGood(given, result);
  const told = control === "none" || result.failure !== null ? "" : good ? " (as it must)" : "";
  return `${good ? "good  " : "FAILED"}  ${name}: ${end}${told}, ${result.seconds.toFixed(0)} s`;
}

const withoutText = {
  transactions: "outputs in transactions",
  fence: "the fence of the online store",
  token: "a token that stays the same (a fresh one at each attempt)",
} as const;

/** What was done and what was found. */
export function caseText(given: ChaosCase, result: ChaosResult): string {
  const done = lines(given, result).map(
    ({ what, planned, achieved }) => `| ${what} | ${planned} | ${achieved} |`,
  );
  const checks = result.checks.map(
    ({ what, found, good }) => `${good ? "equal    " : "DIFFERENT"}  ${what}: ${found}`,
  );
  return [
    "| point | planned | done |",
    "| --- | --- | --- |",
    ...done,
    "",
    ...(checks.length === 0 ? [] : ["```", ...checks, "```", ""]),
    verdict(given, result),
  ].join("\n");
}
