import type { Plan } from "../../schemas/plan.ts";

/** Readable text of a plan; placeholder replaced below. */
export function describe(plan: Omit<Plan, "fingerprint">): string {
  return JSON.stringify(plan, null, 2);
}
