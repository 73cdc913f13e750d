import type { Broker, Producer } from "../../broker/broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { writeRow } from "../../schemas/row.ts";
import { int64 } from "../../sinks/row-binary.ts";
import type { OfflineTable } from "../../sinks/store.ts";
import type { RowEncoder } from "./offline-sink.ts";

/** A table of plain numbers, one a record: what tests of the pump fill. */
export const numbersTable: OfflineTable = {
  name: "raw_numbers",
  columns: [
    { name: "number", type: "Int64" },
    { name: "partition", type: "UInt16" },
    { name: "offset", type: "Int64" },
    { name: "topic_id", type: "LowCardinality(String)" },
  ],
  orderBy: ["number"],
};

/** Takes the number that a record's key spells. */
export const numbersEncoder: RowEncoder = {
  table: numbersTable,
  append: (reader, partition, into) => {
    int64(into, Number(reader.buffer.toString("utf8", reader.keyStart, reader.keyEnd)));
    into.u16(partition);
    int64(into, reader.offset);
    return 1;
  },
  resolve: async () => {},
};

/** Writes transactions of numbered records; the number goes on from one to the next. */
export class NumberedTopic {
  readonly name: string;
  readonly partitions: number;
  readonly #producer: Producer;
  /** Next number, which is also how many were committed or aborted. */
  next = 0;
  /** Numbers of committed records. */
  readonly committed: number[] = [];

  private constructor(name: string, partitions: number, producer: Producer) {
    this.name = name;
    this.partitions = partitions;
    this.#producer = producer;
  }

  static async create(broker: Broker, name: string, partitions = 2): Promise<NumberedTopic> {
    await broker.createTopics([{ name, partitions, config: { "retention.ms": "-1" } }]);
    const producer = await broker.producer({ transactionalId: `${name}-writer` });
    return new NumberedTopic(name, partitions, producer);
  }

  /** One transaction of `count` records spread over the partitions, open until `held` resolves. */
  async write(
    count: number,
    ending: "commit" | "abort" = "commit",
    held: Promise<void> = Promise.resolve(),
  ): Promise<void> {
    const builders = Array.from({ length: this.partitions }, () => new RecordBatchBuilder());
    const value = new ByteWriter();
    for (let i = 0; i < count; i++) {
      const number = this.next++;
      if (ending === "commit") this.committed.push(number);
      value.reset();
      const values = Float64Array.of(number);
      writeRow(value, { served: 0, asOf: number, seq: 0, validUntil: Number.NaN, values });
      const key = Buffer.from(String(number), "utf8");
      builders[number % this.partitions]?.append(key, value.take(), number);
    }
    this.#producer.begin();
    const batches = builders.flatMap((builder, partition) =>
      builder.count === 0 ? [] : [{ topic: this.name, partition, batch: builder.build() }],
    );
    await this.#producer.send(batches);
    await held;
    await (ending === "commit" ? this.#producer.commit() : this.#producer.abort());
  }
}
