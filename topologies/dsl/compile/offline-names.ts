import type { TableSpec } from "../../../schemas/plan.ts";
import { type Part, worldOutputs } from "./link.ts";
import type { Problems } from "./problems.ts";

/** What every topology may have in the offline store beside its steps and feature views. */
const always = ["late_records", "dead_letters", "drift", "models", "feature_catalog"] as const;

/**
 * Checks that no two things have one name in the offline store. A step has a view of its name over
 * the table `raw_<name>`; the versions of a feature view share a view of its name over the tables
 * `raw_<name>_v<version>`.
 */
export function checkOfflineNames(problems: Problems, parts: readonly Part[]): void {
  const owners = new Map<string, string>();
  const take = (owner: string, ...names: readonly string[]) => {
    for (const name of names) {
      const other = owners.get(name) ?? owner;
      const problem = `its "${name}" in the offline store is that of ${other}: rename one`;
      problems.check(other === owner, owner, problem);
      owners.set(name, owner);
    }
  };
  for (const name of always) take(`every topology's "${name}"`, name, `raw_${name}`);
  const tables = parts.flatMap((part) =>
    worldOutputs(part).flatMap(({ stored, shared }) => (shared ? [] : (stored?.table ?? []))),
  );
  for (const { name, served = [] } of parts) {
    for (const { stored } of served) {
      if (stored?.table != null) take(`step "${name}"`, `${stored.table.view}_outcomes`);
    }
  }
  // Of a view and a step with one name it is the view that has to be renamed.
  const isStep = ({ name, view }: TableSpec) => name === view;
  for (const { name, view } of tables.filter(isStep)) take(`step "${view}"`, view, `raw_${name}`);
  for (const table of tables) {
    if (!isStep(table)) take(`view "${table.view}"`, table.view, `raw_${table.name}`);
  }
}
