import { MillraceError } from "../../schemas/errors.ts";
import type * as port from "../broker.ts";
import { endWithin } from "../embedded/log-segment.ts";
import { ForwardingBroker, ForwardingProducer } from "../forwarding.ts";

/**
 * A broker whose named topics are those of another one, at their offsets there and up to their ends
 * as of now; they are only read. All else (other topics, groups, transactions) is `fresh`'s. A plan
 * that runs on it reads what another run has read and leaves that run's topics as they are.
 *
 * Closing it closes neither of the two.
 *
 * @throws {MillraceError} TOPIC_READ_ONLY from whatever would write to a named topic.
 */
export async function openOverlayBroker(
  original: port.Broker,
  fresh: port.Broker,
  topics: readonly string[],
): Promise<port.Broker> {
  const named = new Set(topics);
  const places: port.OffsetQuery[] = [];
  const described = await original.describeTopics(topics);
  // Groups commit offsets of them there.
  const standIns = described.map(({ name, partitions }) => ({ name, partitions, config: {} }));
  await fresh.createTopics(standIns);
  for (const { name, partitions } of described) {
    for (let partition = 0; partition < partitions; partition++) {
      places.push({ topic: name, partition, at: "latest" });
    }
  }
  const offsets = await original.listOffsets(places);
  const ends = new Map(places.map((place, at) => [nameOf(place), offsets[at] as number]));
  return new OverlayBroker(original, fresh, named, ends);
}

/** What is not said here is the fresh broker's, the named topics that groups commit of too. */
class OverlayBroker extends ForwardingBroker {
  readonly #original: port.Broker;
  readonly #named: ReadonlySet<string>;
  readonly #ends: ReadonlyMap<string, number>;

  constructor(
    original: port.Broker,
    fresh: port.Broker,
    named: ReadonlySet<string>,
    ends: ReadonlyMap<string, number>,
  ) {
    super(fresh);
    this.#original = original;
    this.#named = named;
    this.#ends = ends;
  }

  /** Named topics are there already. */
  override async createTopics(topics: readonly port.TopicSettings[]): Promise<void> {
    await super.createTopics(topics.filter(({ name }) => !this.#named.has(name)));
  }

  override async addPartitions(topic: string, partitions: number): Promise<void> {
    this.#refuse([topic]);
    await super.addPartitions(topic, partitions);
  }

  override async deleteTopics(names: readonly string[]): Promise<void> {
    this.#refuse(names);
    await super.deleteTopics(names);
  }

  override async describeTopics(names?: readonly string[]): Promise<port.TopicDescription[]> {
    const fresh = await super.describeTopics(names);
    const wanted = [...this.#named].filter((name) => names === undefined || names.includes(name));
    const original = await this.#original.describeTopics(wanted);
    return [...original, ...fresh.filter(({ name }) => !this.#named.has(name))];
  }

  override async deleteRecords(partitions: readonly port.PartitionOffset[]): Promise<void> {
    this.#refuse(partitions.map(({ topic }) => topic));
    await super.deleteRecords(partitions);
  }

  override async listOffsets(partitions: readonly port.OffsetQuery[]): Promise<number[]> {
    const isNamed = partitions.map(({ topic }) => this.#named.has(topic));
    const [original, fresh] = await Promise.all([
      this.#original.listOffsets(partitions.filter((_, at) => isNamed[at])),
      super.listOffsets(partitions.filter((_, at) => !isNamed[at])),
    ]);
    let [fromOriginal, fromFresh] = [0, 0];
    return partitions.map((place, at) => {
      if (!isNamed[at]) return fresh[fromFresh++] as number;
      const offset = original[fromOriginal++] as number;
      return place.at === "earliest" ? offset : Math.min(offset, this.#endOf(place));
    });
  }

  /** What named topics hold is there already: only the fresh ones are waited for. */
  override async fetch(request: port.FetchRequest): Promise<port.FetchedPartition[]> {
    const isNamed = (place: port.TopicPartition) => this.#named.has(place.topic);
    const unread = request.partitions.filter(
      (place) => isNamed(place) && place.offset < this.#endOf(place),
    );
    const original =
      unread.length === 0
        ? []
        : await this.#original.fetch({ ...request, partitions: unread, maxWaitMs: 0 });
    const rest = request.partitions.filter((place) => !isNamed(place));
    const maxWaitMs = original.length > 0 ? 0 : request.maxWaitMs;
    const fresh = await super.fetch({ ...request, partitions: rest, maxWaitMs });
    return [...original.map((each) => this.#upToEnd(each)), ...fresh];
  }

  /** Another run may have gone on writing: batches that begin behind the end are left out. */
  #upToEnd(fetched: port.FetchedPartition): port.FetchedPartition {
    const end = this.#endOf(fetched);
    const { records, highWatermark, lastStableOffset } = fetched;
    return {
      ...fetched,
      records: records.subarray(0, endWithin(records, 0, end, records.length)),
      highWatermark: Math.min(end, highWatermark),
      lastStableOffset: Math.min(end, lastStableOffset),
    };
  }

  override async producer(options: port.ProducerOptions): Promise<port.Producer> {
    return new OverlayProducer(await super.producer(options), (topics) => this.#refuse(topics));
  }

  override async close(): Promise<void> {}

  #endOf(place: port.TopicPartition): number {
    return this.#ends.get(nameOf(place)) ?? 0;
  }

  #refuse(topics: readonly string[]): void {
    const topic = topics.find((each) => this.#named.has(each));
    if (topic !== undefined) throw new MillraceError("TOPIC_READ_ONLY", { topic });
  }
}

/** A producer of the fresh broker that knows what it must not touch. */
class OverlayProducer extends ForwardingProducer {
  readonly #check: (topics: readonly string[]) => void;

  constructor(producer: port.Producer, check: (topics: readonly string[]) => void) {
    super(producer);
    this.#check = check;
  }

  override async send(batches: readonly port.ProducerBatch[]): Promise<number[]> {
    this.#check(batches.map(({ topic }) => topic));
    return await super.send(batches);
  }
}

function nameOf({ topic, partition }: port.TopicPartition): string {
  return `${topic}/${partition}`;
}
