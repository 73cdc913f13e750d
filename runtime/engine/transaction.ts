import type {
  Broker,
  MemberIdentity,
  OffsetToCommit,
  Producer,
  ProducerBatch,
} from "../../broker/broker.ts";
import type { CommitBatches } from "./commit-batches.ts";

/** The first offset that a commit got in each topic and partition, by `topic/partition`. */
export type FirstOffsets = Map<string, number>;

/** Writes one commit: every batch and the input offsets, all or nothing. */
export async function writeTransaction(
  producer: Producer,
  batches: CommitBatches,
  group: string,
  offsets: readonly OffsetToCommit[],
  member: MemberIdentity | null,
): Promise<FirstOffsets> {
  const first: FirstOffsets = new Map();
  producer.begin();
  const sent = sendRounds(producer, batches.rounds(), first);
  const added = producer.sendOffsets(group, offsets, member);
  // Nothing is under way any more when a transaction ends, whichever way.
  await Promise.allSettled([sent, added]);
  await sent;
  await added;
  await producer.commit();
  return first;
}

async function sendRounds(
  producer: Producer,
  rounds: readonly (readonly ProducerBatch[])[],
  first: FirstOffsets,
): Promise<void> {
  for (const round of rounds) await send(producer, round, first);
}

/**
 * Writes one commit without a transaction: outputs, then changelogs, then offsets. A process that
 * dies in between repeats what came before the changelogs: records of output topics may stand
 * twice. Frames carry sequence numbers, so tasks take each payload once all the same.
 *
 * @param isChangelog - whether a topic is a changelog.
 */
export async function writeAtLeastOnce(
  broker: Broker,
  producer: Producer,
  batches: CommitBatches,
  isChangelog: (topic: string) => boolean,
  group: string,
  offsets: readonly OffsetToCommit[],
  member: MemberIdentity | null,
): Promise<FirstOffsets> {
  const first: FirstOffsets = new Map();
  const rounds = batches.rounds();
  for (const changelogs of [false, true]) {
    for (const round of rounds) {
      const part = round.filter(({ topic }) => isChangelog(topic) === changelogs);
      if (part.length > 0) await send(producer, part, first);
    }
  }
  await broker.commitOffsets(group, offsets, member);
  return first;
}

async function send(
  producer: Producer,
  round: readonly ProducerBatch[],
  first: FirstOffsets,
): Promise<void> {
  const bases = await producer.send(round);
  for (const [index, { topic, partition }] of round.entries()) {
    const name = `${topic}/${partition}`;
    if (!first.has(name)) first.set(name, bases[index] as number);
  }
}
