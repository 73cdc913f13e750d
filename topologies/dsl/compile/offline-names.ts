import type { Specs } from "./link.ts";
import type { Problems } from "./problems.ts";

/** What every topology may have in the offline store beside its steps and feature views. */
const always = ["late_records", "dead_letters", "drift", "models"] as const;

/**
 * Checks that no two things have one name in the offline store. A step has a view of its name over
 * the table `raw_<name>`; the versions of a feature view share a view of its name over the tables
 * `raw_<name>_v<version>`.
 */
export function checkOfflineNames(problems: Problems, { views, scorings, labels }: Specs): void {
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
  for (const { name, stores } of [...scorings, ...labels]) {
    if (stores.length > 0) take(`step "${name}"`, name, `raw_${name}`);
  }
  for (const { name, version, stores } of views) {
    if (stores.includes("offline")) take(`view "${name}"`, name, `raw_${name}_v${version}`);
  }
}
