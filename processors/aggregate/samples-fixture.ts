import type { Condition } from "../../schemas/expression.ts";
import type { AggregateDefinition, AggregateKind } from "./aggregate.ts";
import { aggregateKinds } from "./registry.ts";

/**
 * Two aggregates of each kind there is, by name: over all records, and over some. What is numeric
 * is taken of `field`; the test of shares is whether that is over `limit`.
 *
 * @param not - value of the field for which a record is left out by `where`.
 */
export function sampleAggregates(
  field: string,
  limit: number,
  not: number,
): Record<string, AggregateDefinition> {
  const condition: Condition = { op: "gt", field, value: limit };
  const where: Condition = { op: "neq", field, value: not };
  const samples = Object.values<AggregateKind>(aggregateKinds).flatMap(({ kind, input }) => {
    const of = {
      number: { field },
      identity: { field },
      value: { field },
      truth: { condition },
      record: {},
    }[input];
    const sample = { kind, ...of, parameters: { probability: 0.9 } };
    return [
      [kind, sample],
      [`${kind}Of`, { ...sample, where }],
    ] as const;
  });
  return Object.fromEntries(samples);
}
