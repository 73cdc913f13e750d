import type { Broker } from "../../../broker/broker.ts";
import { committedPages } from "../../../broker/committed-records.ts";
import {
  changesThatCount,
  type ModelChange,
  saysWhoAnswers,
} from "../../../schemas/model-change.ts";
import { type ReadPlace, StandingLook } from "./standing-look.ts";

/**
 * The model register of a topology as a process knows it: read to its end before the first answer,
 * then followed. Memory: all changes, some hundred bytes each.
 */
export class ModelTail {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #written: ModelChange[] = [];
  #counted: readonly ModelChange[] = [];
  #offset: number | null = null;
  #looking: Promise<void> | null = null;
  #standing: StandingLook | null = null;

  constructor(broker: Broker, topic: string) {
    this.#broker = broker;
    this.#topic = topic;
  }

  /**
   * The champions of a model, in the order of their changes, up to what the register held when it
   * was last looked at. Rejects with what the broker says, while nothing has been read yet.
   */
  async champions(model: string): Promise<readonly ModelChange[]> {
    return (await this.changes(model)).filter(({ champion }) => champion);
  }

  /** The changes of a model that say who answers, as {@link champions}: its routes, too. */
  async answering(model: string): Promise<readonly ModelChange[]> {
    return (await this.changes(model)).filter(saysWhoAnswers);
  }

  /** The changes of a model that count, as {@link champions}. */
  async changes(model: string): Promise<readonly ModelChange[]> {
    if (this.#offset === null) await this.look();
    return this.#counted.filter((change) => change.model === model);
  }

  /** Where the next look goes on. */
  get place(): ReadPlace {
    return { topic: this.#topic, partition: 0, offset: this.#offset ?? 0 };
  }

  /** Waits for changes from now on, and says when there are some. What fails is tried again. */
  follow(onNews: () => void): void {
    const look = async () => {
      const before = this.#written.length;
      await this.look();
      if (this.#written.length > before) onNews();
    };
    this.#standing = new StandingLook({ broker: this.#broker, places: () => [this.place], look });
    this.#standing.start();
  }

  /** Nothing is said any more. */
  async close(): Promise<void> {
    await this.#standing?.close();
    await this.#looking?.catch(() => {});
  }

  /** Reads what has come since the last look; one at a time. Rejects with what the broker says. */
  look(): Promise<void> {
    this.#looking ??= this.#read().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #read(): Promise<void> {
    const place = { topic: this.#topic, partition: 0 };
    const [end = 0] = await this.#broker.listOffsets([{ ...place, at: "stable" }]);
    const before = this.#written.length;
    const range = { from: this.#offset ?? 0, end };
    for await (const page of committedPages(this.#broker, this.#topic, 0, range)) {
      for (const { value } of page) {
        if (value !== null) this.#written.push(JSON.parse(value.toString("utf8")));
      }
    }
    this.#offset = end;
    if (this.#written.length > before) this.#counted = changesThatCount(this.#written);
  }
}
