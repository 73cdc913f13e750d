import { MillraceError } from "../../schemas/errors.ts";
import type { Plan, Ports, SourceSpec } from "../../schemas/plan.ts";
import type { RouteSpec } from "../../schemas/route.ts";
import type { ScoringOperator } from "../../schemas/steps/scoring.ts";
import { nameOfStep, passedBy } from "../../schemas/steps/steps.ts";
import type { TransformSpec } from "../../schemas/transforms/through.ts";

/** Where the records of a scoring step come from, and what its tasks are told of each. */
export interface StepOrigin {
  readonly source: SourceSpec;
  /** What a record goes through before it comes to who sends it on. */
  readonly before: readonly TransformSpec[];
  /** What is sent of a record: the questions to the views, and what triggers the score. */
  readonly routes: readonly RouteSpec[];
  /** Outputs that the routes go by. */
  readonly ports: Ports;
  /** Which of these triggers. */
  readonly trigger: number;
  readonly operator: ScoringOperator;
}

/**
 * The way of a record to a scoring step.
 *
 * @throws {MillraceError} STEP_UNSERVED where its records are none that somebody outside sends.
 */
export function stepOrigin(plan: Plan, step: string): StepOrigin {
  const tasks = plan.subtopologies.find(({ name }) => name === step);
  const operator = tasks?.operator.spec;
  if (operator === undefined || !("scoring" in operator)) {
    throw new RangeError(`${step} scores nothing`);
  }
  const { source, before } = sourceOf(plan, operator.scoring);
  const sender = plan.subtopologies.find(({ name, inbox }) =>
    [name, inbox].includes(operator.scoring.source),
  );
  const sent = sender?.operator.spec;
  if (sender === undefined || sent === undefined || !("routes" in sent)) {
    throw new RangeError(`nobody sends ${step} its records`);
  }
  const { routes: all } = sent;
  if (!isList(all)) throw new RangeError(`${step} takes what others make`);
  const isOwn = (output: number): boolean => {
    const target = sender.outputs[output];
    if (target?.kind !== "inbox") return false;
    return target.to === step || target.input === `lookups:${step}`;
  };
  const trigger = sender.outputs.findIndex(
    (output) => output.kind === "inbox" && output.to === step && output.input === "triggers",
  );
  const routes = all.filter(({ output }) => isOwn(output));
  return { source, before, routes, ports: sender, trigger, operator };
}

function isList(routes: unknown): routes is readonly RouteSpec[] {
  return Array.isArray(routes);
}

/** Through the steps that pass records on as they are. */
function sourceOf(plan: Plan, { name, source: first }: ScoringOperator["scoring"]) {
  let [origin, before]: [string, readonly TransformSpec[]] = [first, []];
  for (;;) {
    const source = plan.sources.find(({ topic }) => topic === origin);
    if (source !== undefined) return { source, before };
    const step = plan.steps.find((each) => nameOfStep(each) === origin);
    const passed = step === undefined ? null : passedBy(step);
    if (passed === null) {
      const reason = `its records are made by ${origin}, and none of a source`;
      throw new MillraceError("STEP_UNSERVED", { step: name, reason });
    }
    [origin, before] = [passed.source, [...passed.through, ...before]];
  }
}
