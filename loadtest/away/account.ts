/** What became of the predictions that were asked for. */
export interface Account {
  /** Answered with 200. */
  readonly answered: number;
  /** Answered, and not in the table. */
  readonly lost: number;
  /** Rows beyond the first of their id. */
  readonly doubled: number;
  /** Rows of ids that were not asked for. */
  readonly foreign: number;
  /** Refused or without an answer: in the table or not, both are right. */
  readonly unsure: number;
}

/**
 * Holds the ids that stand in a table against those that were asked for.
 *
 * @param answered - ids of answers, each once.
 * @param unsure - ids of requests that failed.
 * @param stored - of each row its id.
 */
export function accountOf(
  answered: ReadonlySet<number>,
  unsure: ReadonlySet<number>,
  stored: readonly number[],
): Account {
  const distinct = new Set(stored);
  let [lost, foreign] = [0, 0];
  for (const id of answered) if (!distinct.has(id)) lost++;
  for (const id of distinct) if (!answered.has(id) && !unsure.has(id)) foreign++;
  const doubled = stored.length - distinct.size;
  return { answered: answered.size, lost, doubled, foreign, unsure: unsure.size };
}
