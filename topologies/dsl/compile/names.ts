import type { Problems } from "./problems.ts";

const stepName = /^[a-z][A-Za-z0-9_-]{0,79}$/;
const identifier = /^[a-z][A-Za-z0-9_]{0,79}$/;
const topicName = /^[A-Za-z0-9._-]{1,249}$/;

/** Columns that every table has beside its own, so that nothing else takes their names. */
export const plumbingColumns = ["topic", "partition", "offset", "written_at"] as const;

/** A row has this many features at most: n of a row is 16 bits, tables want fewer. */
export const featuresMax = 1_000;

/**
 * Columns of texts that a row has at most: each takes 64 KiB, and a row is one record of 1 MiB, as
 * an answer to a look-up is.
 */
export const textColumnsMax = 15;

/** Checks a name that a topology gives to itself or to a step. */
export function checkStepName(problems: Problems, what: string, name: string): void {
  problems.check(
    stepName.test(name),
    `${what} "${name}"`,
    "its name becomes part of topic names: write a lower-case letter, then up to 79 letters, " +
      "digits, _ or -",
  );
}

/** Names of databases that every ClickHouse has; of a topology's name there is one, too. */
const reservedDatabases = new Set(["default", "system", "information_schema"]);

/** Checks the name of a topology, which names its database as well. */
export function checkTopologyName(problems: Problems, name: string): void {
  checkStepName(problems, "topology", name);
  problems.check(
    !reservedDatabases.has(name.toLowerCase()),
    `topology "${name}"`,
    "is the name of a database of ClickHouse itself: choose another",
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

/** Checks the name of a topic that the topology reads or writes. */
export function checkTopicName(problems: Problems, where: string, name: string): void {
  problems.check(
    topicName.test(name) && name !== "." && name !== "..",
    where,
    `"${name}" is no legal topic name: write up to 249 letters, digits, ., _ or -`,
  );
}

/** Order of UTF-16 units: the same everywhere, unlike that of a locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
