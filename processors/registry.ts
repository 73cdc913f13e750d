import type { OperatorKind, OperatorSpecs, Ports } from "../schemas/plan.ts";
import type { Processor } from "./processor.ts";
import { ScoringProcessor } from "./scoring.ts";
import { TrainingProcessor } from "./training.ts";
import { ViewProcessor } from "./view.ts";
import { WatchProcessor } from "./watch.ts";

/** Operators behind an inbox; a source reads a topic of others. */
export type ProcessorKind = Exclude<OperatorKind, "source">;

/** The operator of a subtopology behind an inbox. */
export type ProcessorSpec = {
  readonly [K in ProcessorKind]: { readonly kind: K; readonly spec: OperatorSpecs[K] };
}[ProcessorKind];

/** Makes the processor of one task. `waitsMayEnd`: live mode, where answers may be missing. */
type Make<Spec> = (spec: Spec, ports: Ports, waitsMayEnd: boolean) => Processor;

/** One line a kind. */
const processors: { readonly [K in ProcessorKind]: Make<OperatorSpecs[K]> } = {
  view: (spec, ports) => new ViewProcessor(spec, ports),
  scoring: (spec, ports, waitsMayEnd) => new ScoringProcessor(spec, ports, waitsMayEnd),
  watch: (spec, ports) => new WatchProcessor(spec, ports),
  training: (spec, ports) => new TrainingProcessor(spec, ports),
};

export function makeProcessor(
  { kind, spec }: ProcessorSpec,
  ports: Ports,
  waitsMayEnd: boolean,
): Processor {
  // The kind says what the spec is, which the types cannot follow through the table.
  const make = processors[kind] as Make<OperatorSpecs[ProcessorKind]>;
  return make(spec, ports, waitsMayEnd);
}
