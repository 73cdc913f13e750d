import type { AggregateKind } from "./aggregate.ts";
import * as kinds from "./kinds.ts";

/** The kinds of aggregates by name. */
export const aggregateKinds = kinds satisfies Readonly<Record<string, AggregateKind>>;

const byName = new Map<string, AggregateKind>(Object.entries(aggregateKinds));

/** @throws {RangeError} for a kind that there is not. */
export function aggregateKind(name: string): AggregateKind {
  const found = byName.get(name);
  if (found === undefined) throw new RangeError(`there is no aggregate ${name}`);
  return found;
}
