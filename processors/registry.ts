import type { OperatorKind, OperatorSpecs, Ports } from "../schemas/plan.ts";
import { DedupProcessor } from "./dedup.ts";
import type { Spill } from "./local-store.ts";
import type { Processor } from "./processor.ts";
import { ScoringProcessor } from "./scoring.ts";
import { TrainingProcessor } from "./training.ts";
import { ViewProcessor } from "./view.ts";
import { WatchProcessor } from "./watch.ts";

/** What a task is told besides its operator. */
export interface TaskFacts {
  readonly partition: number;
  /** Live mode, where answers may be missing. */
  readonly waitsMayEnd: boolean;
  /** Where state goes that is beyond the share of memory; null: all of it stays there. */
  readonly spill: Spill | null;
}

/** Operators behind an inbox; a source reads a topic of others. */
export type ProcessorKind = Exclude<OperatorKind, "source">;

/** The operator of a subtopology behind an inbox. */
export type ProcessorSpec = {
  readonly [K in ProcessorKind]: { readonly kind: K; readonly spec: OperatorSpecs[K] };
}[ProcessorKind];

/** Makes the processor of one task. */
type Make<Spec> = (spec: Spec, ports: Ports, task: TaskFacts) => Processor;

/** One line a kind. */
const processors: { readonly [K in ProcessorKind]: Make<OperatorSpecs[K]> } = {
  dedup: (spec, ports, { partition }) => new DedupProcessor(spec, ports, partition),
  view: (spec, ports) => new ViewProcessor(spec, ports),
  scoring: (spec, ports, { waitsMayEnd, partition, spill }) =>
    new ScoringProcessor(spec, ports, waitsMayEnd, partition, spill),
  watch: (spec, ports) => new WatchProcessor(spec, ports),
  training: (spec, ports) => new TrainingProcessor(spec, ports),
};

export function makeProcessor(
  { kind, spec }: ProcessorSpec,
  ports: Ports,
  task: TaskFacts,
): Processor {
  // The kind says what the spec is, which the types cannot follow through the table.
  const make = processors[kind] as Make<OperatorSpecs[ProcessorKind]>;
  return make(spec, ports, task);
}
