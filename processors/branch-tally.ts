import type { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import type { BranchCounters, Counters } from "./processor.ts";

/** Counters of one branch at one source partition; both appear in `counters` on first use. */
export function tallyOf(counters: Counters, branch: string, partition: number): BranchCounters {
  let tallies = counters.get(branch);
  if (tallies === undefined) {
    tallies = [];
    counters.set(branch, tallies);
  }
  while (tallies.length <= partition) {
    tallies.push({ in: 0, processed: 0, late: 0, deadLettered: 0, filtered: 0 });
  }
  return tallies[partition] as BranchCounters;
}

/** u16 branches, then for each: text name, u16 partitions, 5 × f64 a partition. */
export function writeCounters(writer: ByteWriter, counters: Counters): void {
  writer.u16(counters.size);
  for (const branch of [...counters.keys()].sort()) {
    const tallies = counters.get(branch) ?? [];
    writer.text(branch);
    writer.u16(tallies.length);
    for (const tally of tallies) {
      writer.f64(tally.in);
      writer.f64(tally.processed);
      writer.f64(tally.late);
      writer.f64(tally.deadLettered);
      writer.f64(tally.filtered);
    }
  }
}

/** Replaces the counters by those that {@link writeCounters} wrote. */
export function readCounters(reader: ByteReader, counters: Counters): void {
  counters.clear();
  for (let branches = reader.u16(); branches > 0; branches--) {
    const branch = reader.text();
    for (let partition = 0, partitions = reader.u16(); partition < partitions; partition++) {
      const tally = tallyOf(counters, branch, partition);
      tally.in = reader.f64();
      tally.processed = reader.f64();
      tally.late = reader.f64();
      tally.deadLettered = reader.f64();
      tally.filtered = reader.f64();
    }
  }
}
