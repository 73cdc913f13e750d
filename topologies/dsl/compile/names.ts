import type { Problems } from "./problems.ts";

const stepName = /^[a-z][A-Za-z0-9_-]{0,79}$/;
const identifier = /^[a-z][A-Za-z0-9_]{0,79}$/;
const viewName = /^([a-z][a-z0-9_]{0,79})@([1-9]\d{0,5})$/;
const topicName = /^[A-Za-z0-9._-]{1,249}$/;

/** Names of views of the offline store that a feature view must not take. */
const offlineViews = new Set([
  "predictions",
  "outcomes",
  "late_records",
  "dead_letters",
  "drift",
  "models",
]);

/** Columns that every row has beside its features, so that no feature takes their names. */
const plumbingColumns = ["topic", "partition", "offset", "written_at"] as const;
export const reservedRowColumns: ReadonlySet<string> = new Set([
  ...plumbingColumns,
  "as_of",
  "valid_until",
  "seq",
  "served",
]);
export const reservedPredictionColumns: ReadonlySet<string> = new Set([
  ...plumbingColumns,
  "event_time",
  "known_at",
  "probability",
  "fallback",
  "fallback_reason",
  "model",
  "version",
  "incomplete",
  "latency_ms",
  "features_as_of",
  "source_partition",
  "source_offset",
  "features",
]);

/** Columns of outcomes that predictions do not have: the key must not take their names either. */
export const reservedOutcomeColumns: ReadonlySet<string> = new Set([
  "predicted_at",
  "labelled",
  "label",
  "label_event_time",
]);

/** Checks a name that a topology gives to itself or to a step. */
export function checkStepName(problems: Problems, what: string, name: string): void {
  problems.check(
    stepName.test(name),
    `${what} "${name}"`,
    "its name becomes part of topic names: write a lower-case letter, then up to 79 letters, " +
      "digits, _ or -",
  );
}

/** Checks a name that becomes a feature or a column. */
export function checkIdentifier(problems: Problems, where: string, name: string): void {
  problems.check(
    identifier.test(name),
    where,
    `"${name}" becomes a column: write a lower-case letter, then up to 79 letters, digits or _`,
  );
}

export interface ViewName {
  readonly name: string;
  readonly version: number;
}

/** Takes `name@version` apart. */
export function parseViewName(problems: Problems, id: string): ViewName {
  const match = viewName.exec(id);
  const name = match?.[1];
  if (name === undefined) {
    problems.add(
      `view "${id}"`,
      'write its identity as name@version, e.g. "origin_delays@1": a lower-case letter, then ' +
        "up to 79 lower-case letters, digits or _, and a version from 1",
    );
    return { name: id, version: Number.NaN };
  }
  problems.check(
    !offlineViews.has(name) && !name.startsWith("raw_"),
    `view "${id}"`,
    `"${name}" is the name of a table of the offline store: choose another`,
  );
  return { name, version: Number(match?.[2]) };
}

/** Checks the name of a topic that the topology reads or writes. */
export function checkTopicName(problems: Problems, where: string, name: string): void {
  problems.check(
    topicName.test(name) && name !== "." && name !== "..",
    where,
    `"${name}" is no legal topic name: write up to 249 letters, digits, ., _ or -`,
  );
}

/** Name of a subtopology as it stands in topic names: `origin_delays@1` → `origin_delays.v1`. */
export function topicText(subtopology: string): string {
  return subtopology.replace("@", ".v");
}
