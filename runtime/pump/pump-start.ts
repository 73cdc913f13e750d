import type { CommittedOffset } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { SinkPosition } from "../../sinks/sink.ts";
import type { Tally } from "../row-topics/tally.ts";
import { type PendingRange, pendingRange } from "./pending-range.ts";
import type { SinkPumpOptions } from "./sink-pump-options.ts";

/** What is known of a partition when a pump takes it over. */
export interface PartitionKnown {
  /** What the store says of its own rows. */
  readonly stored: SinkPosition;
  /** First offset that the topic holds. */
  readonly earliest: number;
  /** What the group says. */
  readonly committed: Pick<CommittedOffset, "offset" | "metadata"> | undefined;
  /** Rows that were purged from the topic, once every sink had them. */
  readonly purged: Pick<Tally, "below" | "rows"> | undefined;
}

/** Where a pump goes on. */
export interface PumpStart {
  readonly position: number;
  /** A write that may have happened, at or behind the position: repeated under its own token. */
  readonly pending: PendingRange | null;
  /** Records `[from, position)` are gone and were never stored. @default none */
  readonly gap?: { readonly from: number };
  /** The store has rows of a topic of that name which was deleted, and none of this one. */
  readonly strangeRows?: number;
}

/**
 * Where a pump goes on in a partition. The rows of the store decide: a coordinator that lost its
 * offsets, has not loaded all of them, or was told others moves no pump back or forth. A block is
 * seen whole or not at all, so a range is stored once a row of it is.
 */
export function pumpStart({ stored, earliest, committed, purged }: PartitionKnown): PumpStart {
  const from = stored.next ?? 0;
  const said = pendingRange(committed?.metadata ?? "");
  const landed = said !== null && from > said.first;
  const pending = said === null || landed || said.first < earliest ? null : said;
  const next = landed ? Math.max(from, said.next) : from;
  const start: PumpStart = { position: Math.max(next, earliest), pending };
  if (stored.strangeRows > 0 && stored.next === null) {
    return { ...start, strangeRows: stored.strangeRows };
  }
  if (next >= earliest) return start;
  // What is gone was counted when it was purged, or held markers alone: the pump had passed them.
  const wasPurged = purged !== undefined && purged.below >= earliest;
  const passed = (committed?.offset ?? 0) >= earliest;
  if (wasPurged ? purged.rows === stored.rows : passed) return start;
  return { ...start, gap: { from: next } };
}

/**
 * Where a pump goes on in each of its partitions, and what its group knows of them.
 *
 * @throws {MillraceError} PUMP_GAP, OFFLINE_OTHER_TOPIC unless accepted.
 */
export async function pumpStarts(
  options: SinkPumpOptions,
  topicId: string,
  numbers: readonly number[],
): Promise<(PumpStart & { readonly number: number; readonly committed: number | null })[]> {
  const { broker, topic, group, sink, purged = async () => [] } = options;
  const places = numbers.map((partition) => ({ topic, partition }));
  // The store is asked after the group: what was pending may be stored by then.
  const committed = await broker.committed(group, places);
  const [earliest, stored, tallies] = await Promise.all([
    broker.listOffsets(places.map((each) => ({ ...each, at: "earliest" as const }))),
    sink.positions(topicId, numbers),
    purged(),
  ]);
  return Promise.all(
    numbers.map(async (number, index) => {
      const start = pumpStart({
        stored: stored[index] ?? { next: null, rows: 0, strangeRows: 0 },
        earliest: earliest[index] ?? 0,
        committed: committed[index],
        purged: tallies[number],
      });
      await checkStart(options, topicId, number, start);
      return { ...start, number, committed: committed[index]?.offset ?? null };
    }),
  );
}

/** An online store holds what is newest: it may begin anywhere. */
async function checkStart(
  { topic, sink, accept = async () => false }: SinkPumpOptions,
  topicId: string,
  partition: number,
  { gap, strangeRows, position }: PumpStart,
): Promise<void> {
  if (!sink.exactRange || (gap === undefined && strangeRows === undefined)) return;
  const from = gap?.from ?? position;
  if (await accept({ topic, topicId, partition, from, next: position })) return;
  const where = { sink: sink.name, topic, partition };
  throw gap === undefined
    ? new MillraceError("OFFLINE_OTHER_TOPIC", { ...where, rows: strangeRows ?? 0 })
    : new MillraceError("PUMP_GAP", { ...where, first: from, last: position - 1 });
}
