import type { OperatorKind, OperatorSpecs, Ports } from "../schemas/plan.ts";
import * as kinds from "./kinds.ts";
import type { MakeProcessor, Processor, TaskFacts } from "./processor.ts";

/** Operators behind an inbox; a source reads a topic of others. */
export type ProcessorKind = Exclude<OperatorKind, "source">;

/** The operator of a subtopology behind an inbox. */
export type ProcessorSpec = {
  readonly [K in ProcessorKind]: { readonly kind: K; readonly spec: OperatorSpecs[K] };
}[ProcessorKind];

const processors: { readonly [K in ProcessorKind]: MakeProcessor<OperatorSpecs[K]> } = kinds;

export function makeProcessor(
  { kind, spec }: ProcessorSpec,
  ports: Ports,
  task: TaskFacts,
): Processor {
  // The kind says what the spec is, which the types cannot follow through the table.
  const make = processors[kind] as MakeProcessor<OperatorSpecs[ProcessorKind]>;
  return make(spec, ports, task);
}
