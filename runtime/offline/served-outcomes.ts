import { type Plan, type TableSpec, topologyOf } from "../../schemas/plan.ts";
import { outcomesFor, predictionsOf } from "../../schemas/plan-facts.ts";
import { quoteName } from "../../schemas/sql-text.ts";
import { servedTopic, shadowsTopic } from "../../schemas/topic-names.ts";
import type { OfflineView } from "../../sinks/store.ts";

/** What of an outcome stands beside a served prediction, and what it is called there. */
const told = "known_at, labelled, label, label_event_time".split(", ");
const shownAs = (name: string) => (name === "known_at" ? "outcome_known_at" : name);

/**
 * For each step whose predictions are labelled, the predictions that a gateway has served, and what
 * shadows scored beside them, with what came about: each once, with the newest outcome of its id;
 * null as long as there is none. Rows of all these tables stand once, so that a row here changes
 * once, when its outcome comes.
 *
 * Such a view is made after those of the tables that it reads.
 */
export function servedOutcomeViews(plan: Plan): OfflineView[] {
  return predictionsOf(plan).flatMap((predictions) => {
    const outcomes = outcomesFor(plan, predictions);
    const labels = plan.stored.find(({ topic }) => topic === outcomes?.topic)?.table;
    if (labels === undefined || labels === null) return [];
    const topics = [servedTopic, shadowsTopic].map((of) => of(topologyOf(plan), predictions.name));
    return topics.flatMap((topic) => {
      const table = plan.stored.find((each) => each.topic === topic)?.table;
      return table === undefined || table === null ? [] : withOutcomes(table, labels);
    });
  });
}

function withOutcomes(served: TableSpec, labels: TableSpec): OfflineView[] {
  const [id] = served.columns;
  if (id === undefined) return [];
  const key = quoteName(id.name);
  // Of nulls argMax knows nothing; a tuple is none.
  const newest = `argMax(tuple(${told.join(", ")}), (predicted_at, known_at))`;
  const each = told.map((name, at) => `toNullable(newest.${at + 1}) AS ${shownAs(name)}`);
  const outcome = `SELECT ${key}, ${newest} AS newest FROM ${quoteName(labels.view)} GROUP BY ${key}`;
  const shown = [
    ...served.shown.map((name) => `s.${quoteName(name)} AS ${quoteName(name)}`),
    ...told.map((name) => `o.${shownAs(name)} AS ${shownAs(name)}`),
  ];
  const select =
    `SELECT ${shown.join(", ")} FROM ${quoteName(served.view)} AS s ` +
    `LEFT JOIN (SELECT ${key}, ${each.join(", ")} FROM (${outcome})) AS o ON s.${key} = o.${key}`;
  return [{ name: `${served.view}_outcomes`, select }];
}
