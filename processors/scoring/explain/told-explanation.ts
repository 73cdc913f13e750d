import type { NotComputed } from "../native/native-model.ts";
import type { Explanation } from "./explained-model.ts";

/** An explanation as a prediction tells it: the features that contributed most, and the rest. */
export interface ToldExplanation {
  readonly expected: number;
  /** Largest first, whatever their signs; equal ones in the order of the vector. None is 0. */
  readonly contributions: readonly { readonly feature: string; readonly contribution: number }[];
  /** Sum of all other contributions. */
  readonly rest: number;
  readonly of: Explanation["of"];
  readonly by: Explanation["by"];
}

/** As much of an explanation as a prediction tells; says why not, as that does. */
export function toldExplanation(
  explanation: Explanation | NotComputed,
  most: number,
): ToldExplanation | NotComputed {
  if ("why" in explanation) return explanation;
  const { expected, contributions: all, of, by } = explanation;
  const ranked = [...all]
    .map(([feature, contribution]) => ({ feature, contribution }))
    .filter(({ contribution }) => contribution !== 0)
    .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  const rest = ranked.slice(most).reduce((sum, { contribution }) => sum + contribution, 0);
  return { expected, contributions: ranked.slice(0, most), rest, of, by };
}
