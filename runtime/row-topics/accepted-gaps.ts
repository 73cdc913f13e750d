import type { Broker } from "../../broker/broker.ts";

/** Records of one partition that a run went on without, because it was told to. */
export interface AcceptedGap {
  /** The topic in which it was accepted. */
  readonly topicId: string;
  /** Offset from which on records are read. */
  readonly next: number;
  /** Offsets that were passed over, all times together; those of a deleted topic are unknown. */
  readonly missing: number;
}

/** Group whose offsets are the `next` of gaps; the rest stands in their metadata. */
function gapGroup(plan: string): string {
  return `${plan}.gaps`;
}

/** The gaps that were accepted in partitions 0 to `partitions` − 1 of a topic. */
export async function readAcceptedGaps(
  broker: Pick<Broker, "committed">,
  plan: string,
  topic: string,
  partitions: number,
): Promise<(AcceptedGap | null)[]> {
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  const committed = await broker.committed(gapGroup(plan), places);
  return committed.map(({ offset, metadata }) => {
    const match = /^missing (\d+) topic (\S+)$/.exec(metadata);
    if (offset === null || match === null) return null;
    return { topicId: match[2] as string, next: offset, missing: Number(match[1]) };
  });
}

/**
 * Whether records `[from, next)` of a partition may be passed over: when it was accepted before, or
 * is now. What is accepted is written down, for `verify` and for the next start.
 */
export async function passGap(
  broker: Pick<Broker, "committed" | "commitOffsets">,
  plan: string,
  gap: {
    readonly topic: string;
    readonly topicId: string;
    readonly partition: number;
    readonly from: number;
    readonly next: number;
  },
  accept: boolean,
): Promise<boolean> {
  const { topic, topicId, partition, from, next } = gap;
  const known = (await readAcceptedGaps(broker, plan, topic, partition + 1))[partition] ?? null;
  if (known?.topicId === topicId && known.next >= next) return true;
  if (!accept) return false;
  const missing = (known?.missing ?? 0) + next - from;
  const metadata = `missing ${missing} topic ${topicId}`;
  await broker.commitOffsets(gapGroup(plan), [{ topic, partition, offset: next, metadata }], null);
  return true;
}
