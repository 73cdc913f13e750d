import type { Broker, OffsetToCommit } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";

/** How far a replay has come: committed with the records, as metadata of an offset. */
export interface ReplayPosition {
  readonly format: 1;
  /** Start of the whole replay, UTC ms. */
  readonly from: number;
  /** Injections and seed as one text. */
  readonly inject: string;
  /** Stretch being sent; its end stays as it was when it was begun. Equal ends: nothing is open. */
  readonly segment: readonly [number, number];
  /** Send time of the next step; "last" for the step behind the end. */
  readonly next: number | "last";
  /** Records sent so far, by topic. */
  readonly sent: Readonly<Record<string, number>>;
  /** Next offset of each partition of each topic. */
  readonly endOffsets: Readonly<Record<string, readonly number[]>>;
}

/** Where positions are kept: a group of the replayer's own, at a partition of its own. */
export interface PositionStore {
  readonly group: string;
  readonly topic: string;
}

/**
 * The committed position, or null when nothing was ever sent.
 *
 * @throws {MillraceError} APPLICATION_REFUSED when another start or other injections were begun.
 */
export async function readPosition(
  broker: Broker,
  { group, topic }: PositionStore,
  asked: Pick<ReplayPosition, "from" | "inject">,
): Promise<ReplayPosition | null> {
  const [committed] = await broker.committed(group, [{ topic, partition: 0 }]);
  if (committed === undefined || committed.offset === null || committed.metadata === "") {
    return null;
  }
  const found = JSON.parse(committed.metadata) as ReplayPosition;
  const check = (what: string, was: string, is: string) => {
    if (was === is) return;
    const reason = `The topics were begun with ${what} ${was}, not ${is}. Go on with ${was}, or start over with --fresh.`;
    throw new MillraceError("APPLICATION_REFUSED", { reason });
  };
  check("--from", iso(found.from), iso(asked.from));
  check("--inject", found.inject, asked.inject);
  return found;
}

/** The position as an offset to commit in the transaction that it describes. */
export function positionOffset(
  { topic }: PositionStore,
  offset: number,
  position: ReplayPosition,
): OffsetToCommit {
  return { topic, partition: 0, offset, metadata: JSON.stringify(position) };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
