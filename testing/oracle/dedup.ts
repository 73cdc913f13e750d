import { partitionOf } from "../../schemas/murmur2.ts";
import type { DedupSpec } from "../../schemas/steps/dedup.ts";
import { inOrder, type Known, type StepOracle, streamOf } from "./step-oracle.ts";

/** The first records of their values, in the order of the tasks that pass them on. */
export const dedup: StepOracle<DedupSpec> = {
  needs: ({ source }) => [source],
  add: (spec, world) => {
    const { name, partitionField, withinMs } = spec;
    const passed: Known[] = [];
    for (const each of streamOf(spec, world)) {
      const value = String(each.record[partitionField]);
      const isAgain = (other: Known) =>
        String(other.record[partitionField]) === value &&
        Math.abs(other.time - each.time) <= withinMs;
      if (passed.some(isAgain)) continue;
      const partition = partitionOf(value, world.plan.partitions);
      passed.push({ ...each, partition, index: passed.length });
    }
    world.known.set(name, passed.sort(inOrder));
  },
};
