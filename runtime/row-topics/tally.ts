import { crc32 } from "node:zlib";
import type { Broker } from "../../broker/broker.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import type { SinkRecord } from "../../sinks/sink.ts";
import type { RowEncoder } from "../pump/offline-sink.ts";

/** What is known of the rows of a row topic partition that were purged. */
export interface Tally {
  /** Rows below this offset are counted here, and nowhere else. */
  readonly below: number;
  readonly rows: number;
  /**
   * Sum, modulo 2^64, of the CRC-32 of each row as RowBinary: in SQL
   * `sum(CRC32(formatRow('RowBinary', …)))` over all columns of its table. 0 for a view without
   * table.
   */
  readonly crcSum: bigint;
}

const modulus = 1n << 64n;

/** Group whose offsets are the `below` of tallies; the rest stands in their metadata. */
export function tallyGroup(plan: string): string {
  return `${plan}.row-tallies`;
}

/** `rows ROWS crc32 SUM`. */
export function tallyText({ rows, crcSum }: Tally): string {
  return `rows ${rows} crc32 ${crcSum}`;
}

/** The committed tallies of partitions 0 to `partitions` − 1 of a row topic. */
export async function readTallies(
  broker: Pick<Broker, "committed">,
  plan: string,
  topic: string,
  partitions: number,
): Promise<Tally[]> {
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  const committed = await broker.committed(tallyGroup(plan), places);
  return committed.map(({ partition, offset, metadata }) => {
    if (offset === null) return { below: 0, rows: 0, crcSum: 0n };
    const match = /^rows (\d+) crc32 (\d+)$/.exec(metadata);
    if (match === null) {
      throw new RangeError(`${topic}/${partition}: "${metadata}" is no tally of purged rows`);
    }
    return { below: offset, rows: Number(match[1]), crcSum: BigInt(match[2] as string) };
  });
}

/**
 * Whether a record of a row topic carries the partition's progress (key 0x00, a double) instead of
 * a row, which is longer: an entity may have that key.
 */
export function isProgress(reader: SinkRecord): boolean {
  const { buffer, keyStart, keyEnd, valueStart, valueEnd } = reader;
  return keyEnd - keyStart === 1 && buffer[keyStart] === 0 && valueEnd - valueStart === 8;
}

/** Adds rows of one partition to a tally. */
export class TallyCounter {
  readonly #encoder: RowEncoder | null;
  readonly #partition: number;
  readonly #row = new ByteWriter(1024);
  #rows: number;
  #crcSum: bigint;

  constructor(encoder: RowEncoder | null, partition: number, from: Tally) {
    this.#encoder = encoder;
    this.#partition = partition;
    this.#rows = from.rows;
    this.#crcSum = from.crcSum;
  }

  /** Takes the record under the reader; progress is no row. */
  add(reader: SinkRecord): void {
    if (isProgress(reader)) return;
    this.#rows++;
    if (this.#encoder === null) return;
    this.#row.reset();
    this.#encoder.append(reader, this.#partition, this.#row);
    const crc = crc32(this.#row.buffer.subarray(0, this.#row.position));
    this.#crcSum = (this.#crcSum + BigInt(crc)) % modulus;
  }

  tally(below: number): Tally {
    return { below, rows: this.#rows, crcSum: this.#crcSum };
  }
}
