import type { Broker, Producer, ProducerOptions } from "../../broker/broker.ts";
import { flightsLatenessMs } from "../../examples/flights/check-settings.ts";
import { noInjections } from "../../examples/flights/injections.ts";
import { openFlights } from "../../examples/flights/open-flights.ts";
import { replayFlights } from "../../examples/flights/replay.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { mayGoOn, retry } from "../../runtime/retry.ts";
import { flights } from "../../topologies/flights/flights.ts";

/** Flights of a range, replayed no further than they are wanted. */
export class GatedInput {
  /** Resolves with the number of records when all is sent. */
  readonly sent: Promise<number>;
  readonly #abort = new AbortController();
  readonly #from: number;
  readonly #to: number;
  #limit: number;
  #reached: number;
  #opened: () => void = () => {};

  /** @param to - end of the range, event time in UTC ms, like `from`. */
  constructor(stack: Stack, from: number, to: number) {
    this.#from = from;
    this.#to = to;
    this.#limit = from;
    this.#reached = from;
    const replay = {
      broker: this.#gated(stack.broker),
      registry: stack.registry,
      flights: openFlights(stack.files),
      partitions: flights.partitions,
      from,
      to,
      injections: noInjections,
      injectText: "",
      latenessMs: flightsLatenessMs,
      onProgress: ({ eventTime }: { readonly eventTime: number }) => {
        this.#reached = eventTime;
      },
      signal: this.#abort.signal,
    };
    const { signal } = this.#abort;
    const sent = retry(() => replayFlights(replay), { signal, mayPass: mayGoOn });
    this.sent = sent.then(({ sent }) => Object.values(sent).reduce((sum, count) => sum + count, 0));
    // Waited for at the end; until then nobody looks.
    this.sent.catch(() => {});
  }

  /** Event time up to which flights are sent. */
  get reached(): number {
    return this.#reached;
  }

  /** Lets through what lies in this share of the range, 0 to 1; never less than before. */
  open(share: number): void {
    const limit = share >= 1 ? Number.POSITIVE_INFINITY : this.#timeAt(share);
    this.#limit = Math.max(this.#limit, limit);
    this.#opened();
  }

  /** Ends without the rest. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.open(1);
    await this.sent.catch(() => {});
  }

  #timeAt(share: number): number {
    return this.#from + share * (this.#to - this.#from);
  }

  async #pass(): Promise<void> {
    while (this.#reached > this.#limit) {
      await new Promise<void>((resolve) => {
        this.#opened = resolve;
      });
    }
  }

  /** Waits before the first write of a transaction, while nothing of it is open yet. */
  #gated(broker: Broker): Broker {
    const producer = async (options: ProducerOptions): Promise<Producer> => {
      const inner = await broker.producer(options);
      return {
        producerId: inner.producerId,
        epoch: inner.epoch,
        begin: () => inner.begin(),
        send: async (batches) => {
          await this.#pass();
          return inner.send(batches);
        },
        sendOffsets: (...given) => inner.sendOffsets(...given),
        commit: () => inner.commit(),
        abort: () => inner.abort(),
        close: () => inner.close(),
      };
    };
    return {
      kind: broker.kind,
      createTopics: (...given) => broker.createTopics(...given),
      addPartitions: (...given) => broker.addPartitions(...given),
      deleteTopics: (...given) => broker.deleteTopics(...given),
      describeTopics: (...given) => broker.describeTopics(...given),
      deleteRecords: (...given) => broker.deleteRecords(...given),
      listOffsets: (...given) => broker.listOffsets(...given),
      fetch: (...given) => broker.fetch(...given),
      producer,
      join: (...given) => broker.join(...given),
      committed: (...given) => broker.committed(...given),
      commitOffsets: (...given) => broker.commitOffsets(...given),
      close: () => broker.close(),
    };
  }
}
