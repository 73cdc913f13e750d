import type { Broker } from "../../broker/broker.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import type { AvroDecoder } from "../schema-registry/avro-codec.ts";

/**
 * A source watermark: every record at or beyond `endOffsets[partition]` finds stream time ≥
 * `before`.
 */
export interface SourceWatermark {
  readonly before: number;
  readonly endOffsets: readonly number[];
}

/**
 * The watermarks of one source topic, as a topology is told them: in a topic of one partition.
 * A source task asks for them after it has fetched records and before it stamps them: a watermark
 * is committed no later than the records beyond it, so those that matter are there by then.
 */
export class SourceWatermarks {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #decoder: AvroDecoder;
  readonly #list: SourceWatermark[] = [];
  readonly #reader = new RecordReader();
  #offset = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(broker: Broker, topic: string, decoder: AvroDecoder) {
    this.#broker = broker;
    this.#topic = topic;
    this.#decoder = decoder;
  }

  /** Where the next read goes on, for a fetch that waits for news. */
  get position(): { topic: string; partition: number; offset: number } {
    return { topic: this.#topic, partition: 0, offset: this.#offset };
  }

  /**
   * Reads to an end, and waits for what is being committed there: on Kafka a record may be visible
   * while the marker of an earlier commit is still on its way to this topic.
   */
  async readTo(end: number): Promise<void> {
    // One after the other: several may ask, and one that failed is none of the others' business.
    const reading = this.#reading.then(() => this.#readTo(end));
    this.#reading = reading.catch(() => {});
    await reading;
  }

  async #readTo(end: number): Promise<void> {
    while (this.#offset < end) {
      const [batch] = await this.#broker.fetch({
        partitions: [{ ...this.position, maxBytes: 1024 * 1024 }],
        isolation: "read_committed",
        maxWaitMs: 100,
        maxBytes: 1024 * 1024,
      });
      if (batch === undefined) continue;
      this.#reader.open(batch, "read_committed");
      while (this.#reader.next()) await this.#take();
      this.#offset = Math.max(this.#offset, this.#reader.nextOffset);
    }
  }

  /**
   * The highest watermark in force at a position of a partition, or −Infinity.
   *
   * @param from - index to look from, as returned by the last call for this partition.
   */
  at(partition: number, position: number, from: number): { before: number; next: number } {
    let next = from;
    let before = Number.NEGATIVE_INFINITY;
    for (; next < this.#list.length; next++) {
      const watermark = this.#list[next];
      if (watermark === undefined || (watermark.endOffsets[partition] ?? 0) > position) break;
      before = Math.max(before, watermark.before);
    }
    return { before, next };
  }

  async #take(): Promise<void> {
    const { buffer, valueStart, valueEnd } = this.#reader;
    const value = await this.#decoder.decodeAwaiting(buffer, valueStart, valueEnd);
    this.#list.push(value as unknown as SourceWatermark);
  }
}

/** Reads several to their present ends, which are one question. */
export async function catchUpAll(
  broker: Pick<Broker, "listOffsets">,
  watermarks: readonly SourceWatermarks[],
): Promise<void> {
  if (watermarks.length === 0) return;
  const places = watermarks.map(({ position: { topic, partition } }) => ({ topic, partition }));
  const ends = await broker.listOffsets(places.map((each) => ({ ...each, at: "latest" as const })));
  await Promise.all(watermarks.map((each, index) => each.readTo(ends[index] as number)));
}
