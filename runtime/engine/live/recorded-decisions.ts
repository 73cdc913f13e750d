import type { Broker } from "../../../broker/broker.ts";
import { RecordReader } from "../../../broker/record-batch/reader.ts";
import type { Decision } from "../../../schemas/generated.ts";
import type { AvroDecoder } from "../../schema-registry/avro-codec.ts";
import { taskName } from "../task.ts";

const fetchBytes = 4 * 1024 * 1024;

/** The decisions of an earlier run, by task, in the order in which they were made. */
export class RecordedDecisions {
  readonly #byTask = new Map<string, Decision[]>();

  /** Reads the topic of decisions to its present end. Memory: all of them. */
  static async read(
    broker: Broker,
    topic: string,
    decoder: AvroDecoder,
  ): Promise<RecordedDecisions> {
    const recorded = new RecordedDecisions();
    const [end = 0] = await broker.listOffsets([{ topic, partition: 0, at: "latest" }]);
    const [start = 0] = await broker.listOffsets([{ topic, partition: 0, at: "earliest" }]);
    const reader = new RecordReader();
    for (let offset = start; offset < end; ) {
      const [fetched] = await broker.fetch({
        partitions: [{ topic, partition: 0, offset, maxBytes: fetchBytes }],
        isolation: "read_committed",
        maxWaitMs: 100,
        maxBytes: fetchBytes,
      });
      if (fetched === undefined) continue;
      reader.open(fetched, "read_committed");
      while (reader.next()) {
        const { buffer, valueStart, valueEnd } = reader;
        const decision = await decoder.decodeAwaiting(buffer, valueStart, valueEnd);
        recorded.#add(decision as unknown as Decision);
      }
      offset = Math.max(offset, reader.nextOffset);
    }
    return recorded;
  }

  /** Those of one task. */
  of(subtopology: string, partition: number): readonly Decision[] {
    return this.#byTask.get(taskName(subtopology, partition)) ?? [];
  }

  #add(decision: Decision): void {
    const name = taskName(decision.subtopology, decision.partition);
    const list = this.#byTask.get(name);
    if (list === undefined) this.#byTask.set(name, [decision]);
    else list.push(decision);
  }
}
