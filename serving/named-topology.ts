import { MillraceError } from "../schemas/errors.ts";
import { nearest } from "../schemas/nearest.ts";
import type { Plan } from "../schemas/plan.ts";

/** The topology that is meant where none is named. */
export function firstOf([plan]: readonly Plan[]): Plan {
  if (plan === undefined) throw new RangeError("an application has a topology");
  return plan;
}

/** The topology of that name. @throws {MillraceError} LOOK_UNKNOWN. */
export function namedTopology(plans: readonly Plan[], name: string): Plan {
  const found = plans.find((plan) => plan.name === name);
  if (found !== undefined) return found;
  const known = plans.map((plan) => plan.name);
  throw new MillraceError("LOOK_UNKNOWN", { what: "topology", name, near: nearest(name, known) });
}
