/**
 * Spreads partitions over the members of a pump's group, one after the other.
 *
 * @returns member id → its partitions (JSON array of numbers). Deterministic.
 */
export function assignPartitions(
  partitions: readonly number[],
  members: ReadonlyMap<string, Buffer>,
): Map<string, Buffer> {
  const ids = [...members.keys()].sort();
  return new Map(
    ids.map((id, index) => {
      const share = partitions.filter((_, position) => position % ids.length === index);
      return [id, Buffer.from(JSON.stringify(share), "utf8")];
    }),
  );
}

/** Partitions named by an assignment. */
export function parsePartitions(assignment: Buffer): number[] {
  return assignment.length === 0 ? [] : (JSON.parse(assignment.toString("utf8")) as number[]);
}
