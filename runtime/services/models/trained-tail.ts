import type { Broker } from "../../../broker/broker.ts";
import { committedPages } from "../../../broker/committed-records.ts";
import { type Model, model as modelSchema } from "../../../schemas/generated.ts";
import { AvroDecoder } from "../../schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../../schema-registry/registry.ts";
import type { ReadPlace } from "./standing-look.ts";

/** The versions that trainings gave, as their topic has them. */
export class TrainedTail {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #decoder: AvroDecoder;
  readonly #offsets: number[];
  readonly #answers: Model[] = [];
  #last: Promise<void> = Promise.resolve();

  constructor(
    { broker, registry }: { readonly broker: Broker; readonly registry: SchemaRegistry },
    topic: string,
    partitions: number,
  ) {
    this.#broker = broker;
    this.#topic = topic;
    this.#decoder = new AvroDecoder(registry, modelSchema);
    this.#offsets = new Array<number>(partitions).fill(0);
  }

  promoted(model: string): readonly Model[] {
    return this.#answers.filter((each) => each.model === model && each.promoted);
  }

  versions(model: string): readonly Model[] {
    return this.answers(model).filter((each) => each.sha256 !== "");
  }

  /** What its trainings ended with, those without a version too. */
  answers(model: string): readonly Model[] {
    return this.#answers.filter((each) => each.model === model);
  }

  /** Where the next look goes on. */
  get places(): readonly ReadPlace[] {
    return this.#offsets.map((offset, partition) => ({ topic: this.#topic, partition, offset }));
  }

  /** Reads on, to the end as of now; one look after the other. */
  async look(): Promise<void> {
    const looked = this.#last.then(() => this.#look());
    this.#last = looked.catch(() => {});
    await looked;
  }

  async #look(): Promise<void> {
    const places = this.#offsets.map((_, partition) => {
      return { topic: this.#topic, partition, at: "stable" as const };
    });
    const ends = await this.#broker.listOffsets(places);
    for (const [partition, end] of ends.entries()) {
      const from = this.#offsets[partition] as number;
      if (end <= from) continue;
      for await (const page of committedPages(this.#broker, this.#topic, partition, {
        from,
        end,
      })) {
        for (const { value, offset } of page) {
          if (value === null) continue;
          const read = await this.#decoder.decodeAwaiting(value, 0, value.length);
          this.#answers.push({ ...(read as unknown as Model) });
          this.#offsets[partition] = offset + 1;
        }
      }
      this.#offsets[partition] = end;
    }
  }
}
