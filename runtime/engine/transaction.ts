import type { MemberIdentity, OffsetToCommit, Producer } from "../broker/broker.ts";
import type { CommitBatches } from "./commit-batches.ts";

/**
 * Writes one commit: every batch and the input offsets, all or nothing.
 *
 * @returns the first offset that the commit got in each topic and partition, by `topic/partition`.
 */
export async function writeTransaction(
  producer: Producer,
  batches: CommitBatches,
  group: string,
  offsets: readonly OffsetToCommit[],
  member: MemberIdentity | null,
): Promise<Map<string, number>> {
  const first = new Map<string, number>();
  producer.begin();
  for (const round of batches.rounds()) {
    const bases = await producer.send(round);
    for (const [index, { topic, partition }] of round.entries()) {
      const name = `${topic}/${partition}`;
      if (!first.has(name)) first.set(name, bases[index] as number);
    }
  }
  await producer.sendOffsets(group, offsets, member);
  await producer.commit();
  return first;
}
