import type { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import type { BranchCounters, Counters } from "./processor.ts";

/** What is counted, in the order of a snapshot. */
const counted = [
  "in",
  "processed",
  "late",
  "deadLettered",
  "filtered",
  "excluded",
  "duplicates",
] as const;
type Counted = (typeof counted)[number];

/** Stands where snapshots of earlier builds, with five counts, say how many branches follow. */
const sized = 0xffff;

/** A tally at nothing. */
export function emptyTally(): BranchCounters {
  return Object.fromEntries(counted.map((each) => [each, 0])) as Record<Counted, number>;
}

/** Adds what was counted elsewhere. */
export function addTally(to: BranchCounters, more: BranchCounters): void {
  for (const each of counted) to[each] += more[each];
}

/** Counters of one branch at one source partition; both appear in `counters` on first use. */
export function tallyOf(counters: Counters, branch: string, partition: number): BranchCounters {
  let tallies = counters.get(branch);
  if (tallies === undefined) {
    tallies = [];
    counters.set(branch, tallies);
  }
  while (tallies.length <= partition) {
    tallies.push(emptyTally());
  }
  return tallies[partition] as BranchCounters;
}

/** u16 0xffff, u8 counts, u16 branches; then for each: text name, u16 partitions, counts × f64. */
export function writeCounters(writer: ByteWriter, counters: Counters): void {
  writer.u16(sized);
  writer.u8(counted.length);
  writer.u16(counters.size);
  for (const branch of [...counters.keys()].sort()) {
    const tallies = counters.get(branch) ?? [];
    writer.text(branch);
    writer.u16(tallies.length);
    for (const tally of tallies) for (const each of counted) writer.f64(tally[each]);
  }
}

/** Replaces the counters by those that {@link writeCounters} wrote. */
export function readCounters(reader: ByteReader, counters: Counters): void {
  counters.clear();
  const first = reader.u16();
  const counts = first === sized ? reader.u8() : 5;
  for (let branches = first === sized ? reader.u16() : first; branches > 0; branches--) {
    const branch = reader.text();
    for (let partition = 0, partitions = reader.u16(); partition < partitions; partition++) {
      const tally = tallyOf(counters, branch, partition);
      for (const each of counted.slice(0, counts)) tally[each] = reader.f64();
    }
  }
}
