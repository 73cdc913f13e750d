import type { StepKind } from "../../schemas/plan.ts";
import type { StepModule } from "./compile/step-module.ts";
import * as kinds from "./kinds.ts";

const modules: { readonly [K in StepKind]: StepModule<K> } = kinds;

/** Every kind of step, in the order in which a plan tells of them: after those it is made of. */
export const stepKinds: readonly StepKind[] = inOrder(Object.keys(modules).sort() as StepKind[]);

export function isKind(name: string): name is StepKind {
  return Object.hasOwn(modules, name);
}

/** A module whose specs and definitions are known to itself alone: give it only its own. */
export function stepModule(kind: StepKind): StepModule {
  return modules[kind];
}

function inOrder(names: readonly StepKind[]): StepKind[] {
  const ordered: StepKind[] = [];
  const open = [...names];
  while (open.length > 0) {
    const next = open.findIndex((kind) =>
      modules[kind].after.every((one) => ordered.includes(one)),
    );
    if (next < 0) throw new RangeError(`${open.join(", ")} come after one another`);
    ordered.push(...open.splice(next, 1));
  }
  return ordered;
}
