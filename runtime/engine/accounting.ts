import { addTally, emptyTally } from "../../processors/branch-tally.ts";
import type { BranchCounters } from "../../processors/processor.ts";
import type { Plan } from "../../schemas/plan.ts";
import type { Task } from "./task.ts";

/** What became of the records of one source partition in one branch. */
export interface BranchAccount extends BranchCounters {
  readonly source: string;
  readonly partition: number;
  readonly branch: string;
}

/**
 * Joins the counters of tasks: sources know what came in, was late, was refused or left out; the
 * tasks behind them know what was processed or filtered, by source partition.
 */
export function branchAccounts(
  plan: Plan,
  tasks: readonly Pick<Task, "counters">[],
): BranchAccount[] {
  const accounts = new Map<string, BranchAccount>();
  for (const { source, branch, partitions } of plan.accounts) {
    for (let partition = 0; partition < partitions; partition++) {
      accounts.set(`${branch}/${source}/${partition}`, {
        source,
        partition,
        branch,
        ...emptyTally(),
      });
    }
  }
  const sourceOf = new Map(plan.accounts.map(({ source, branch }) => [branch, source]));
  for (const task of tasks) {
    for (const [branch, counters] of task.counters) {
      const source = sourceOf.get(branch);
      for (const [partition, counted] of counters.entries()) {
        const account = accounts.get(`${branch}/${source}/${partition}`);
        if (account === undefined || counted === undefined) continue;
        addTally(account, counted);
      }
    }
  }
  return [...accounts.values()];
}

/** Source records that were read so far; each branch of a source reads all of them. */
export function recordsIn(accounts: readonly BranchAccount[]): number {
  const bySource = new Map<string, Map<string, number>>();
  const steps = new Set(accounts.map(({ branch }) => branch));
  for (const { source, branch, in: read } of accounts) {
    // What a step yields was read from a source before.
    if (steps.has(source)) continue;
    const branches = bySource.get(source) ?? new Map<string, number>();
    bySource.set(source, branches.set(branch, (branches.get(branch) ?? 0) + read));
  }
  return [...bySource.values()].reduce((sum, all) => sum + Math.max(...all.values()), 0);
}
