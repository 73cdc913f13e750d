import type { Broker } from "../../../broker/broker.ts";
import { committedPages } from "../../../broker/committed-records.ts";
import type { Decision } from "../../../schemas/generated.ts";
import type { AvroDecoder } from "../../schema-registry/avro-codec.ts";
import { taskName } from "../task.ts";

const none = Buffer.alloc(0);

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
    const [from = 0, end = 0] = await broker.listOffsets([
      { topic, partition: 0, at: "earliest" },
      { topic, partition: 0, at: "latest" },
    ]);
    for await (const page of committedPages(broker, topic, 0, { from, end })) {
      for (const { value } of page) {
        const decision = await decoder.decodeAwaiting(
          value ?? none,
          value === null ? -1 : 0,
          value?.length ?? -1,
        );
        recorded.#add(decision as unknown as Decision);
      }
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
