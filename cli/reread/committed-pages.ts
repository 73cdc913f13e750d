import type { Broker } from "../../runtime/broker/broker.ts";
import { RecordReader } from "../../runtime/broker/record-batch/reader.ts";

/** A record as it stands in its partition. */
export interface PlainRecord {
  readonly offset: number;
  /** null: it has none. */
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

const fetchBytes = 1024 * 1024;

/** Committed records of a partition from its start to its stable end as of now, in pages. */
export async function* committedPages(
  broker: Broker,
  topic: string,
  partition: number,
): AsyncGenerator<readonly PlainRecord[]> {
  const place = { topic, partition };
  const [start = 0, end = 0] = await broker.listOffsets([
    { ...place, at: "earliest" },
    { ...place, at: "stable" },
  ]);
  const reader = new RecordReader();
  for (let offset = start; offset < end; ) {
    const [fetched] = await broker.fetch({
      partitions: [{ ...place, offset, maxBytes: fetchBytes }],
      isolation: "read_committed",
      maxWaitMs: 1_000,
      maxBytes: fetchBytes,
    });
    if (fetched === undefined) continue;
    reader.open(fetched, "read_committed");
    const page: PlainRecord[] = [];
    while (reader.next() && reader.offset < end) {
      const { buffer, keyStart, keyEnd, valueStart, valueEnd } = reader;
      page.push({
        offset: reader.offset,
        key: keyStart < 0 ? null : buffer.subarray(keyStart, keyEnd),
        value: valueStart < 0 ? null : buffer.subarray(valueStart, valueEnd),
      });
    }
    offset = Math.max(offset, reader.nextOffset);
    yield page;
  }
}

/** Takes records from pages one by one; null at the end. */
export class RecordCursor {
  readonly #pages: AsyncGenerator<readonly PlainRecord[]>;
  readonly #wanted: (record: PlainRecord) => boolean;
  #page: readonly PlainRecord[] = [];
  #at = 0;

  constructor(
    pages: AsyncGenerator<readonly PlainRecord[]>,
    wanted: (record: PlainRecord) => boolean,
  ) {
    this.#pages = pages;
    this.#wanted = wanted;
  }

  /** The next one if it is in memory; undefined: `load` first. */
  next(): PlainRecord | undefined {
    while (this.#at < this.#page.length) {
      const record = this.#page[this.#at++];
      if (record !== undefined && this.#wanted(record)) return record;
    }
    return undefined;
  }

  /** Reads another page; false when there is none. */
  async load(): Promise<boolean> {
    const { value, done } = await this.#pages.next();
    if (done === true) return false;
    this.#page = value;
    this.#at = 0;
    return true;
  }

  /** The next one, read if need be; null at the end. */
  async take(): Promise<PlainRecord | null> {
    for (;;) {
      const record = this.next();
      if (record !== undefined) return record;
      if (!(await this.load())) return null;
    }
  }
}
