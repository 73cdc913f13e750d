import { MillraceError } from "../../../schemas/errors.ts";
import type {
  Broker,
  CommittedOffset,
  FetchedPartition,
  FetchRequest,
  GroupMember,
  GroupOptions,
  MemberIdentity,
  OffsetQuery,
  OffsetToCommit,
  PartitionOffset,
  Producer,
  ProducerBatch,
  ProducerOptions,
  TopicDescription,
  TopicPartition,
  TopicSettings,
} from "../broker.ts";
import { endWithin } from "../embedded/log-segment.ts";

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
  original: Broker,
  fresh: Broker,
  topics: readonly string[],
): Promise<Broker> {
  const named = new Set(topics);
  const places: OffsetQuery[] = [];
  for (const { name, partitions } of await original.describeTopics(topics)) {
    for (let partition = 0; partition < partitions; partition++) {
      places.push({ topic: name, partition, at: "latest" });
    }
  }
  const offsets = await original.listOffsets(places);
  const ends = new Map(places.map((place, at) => [nameOf(place), offsets[at] as number]));
  return new OverlayBroker(original, fresh, named, ends);
}

class OverlayBroker implements Broker {
  readonly kind;
  readonly #original: Broker;
  readonly #fresh: Broker;
  readonly #named: ReadonlySet<string>;
  readonly #ends: ReadonlyMap<string, number>;

  constructor(
    original: Broker,
    fresh: Broker,
    named: ReadonlySet<string>,
    ends: ReadonlyMap<string, number>,
  ) {
    this.kind = fresh.kind;
    this.#original = original;
    this.#fresh = fresh;
    this.#named = named;
    this.#ends = ends;
  }

  /** Named topics are made in the fresh one too, since groups commit offsets of them. */
  async createTopics(topics: readonly TopicSettings[]): Promise<void> {
    await this.#fresh.createTopics(topics);
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    this.#refuse(names);
    await this.#fresh.deleteTopics(names);
  }

  async describeTopics(names?: readonly string[]): Promise<TopicDescription[]> {
    const fresh = await this.#fresh.describeTopics(names);
    const wanted = [...this.#named].filter((name) => names === undefined || names.includes(name));
    const original = await this.#original.describeTopics(wanted);
    return [...original, ...fresh.filter(({ name }) => !this.#named.has(name))];
  }

  async deleteRecords(partitions: readonly PartitionOffset[]): Promise<void> {
    this.#refuse(partitions.map(({ topic }) => topic));
    await this.#fresh.deleteRecords(partitions);
  }

  async listOffsets(partitions: readonly OffsetQuery[]): Promise<number[]> {
    const isNamed = partitions.map(({ topic }) => this.#named.has(topic));
    const [original, fresh] = await Promise.all([
      this.#original.listOffsets(partitions.filter((_, at) => isNamed[at])),
      this.#fresh.listOffsets(partitions.filter((_, at) => !isNamed[at])),
    ]);
    let [fromOriginal, fromFresh] = [0, 0];
    return partitions.map((place, at) => {
      if (!isNamed[at]) return fresh[fromFresh++] as number;
      const offset = original[fromOriginal++] as number;
      return place.at === "earliest" ? offset : Math.min(offset, this.#endOf(place));
    });
  }

  /** What named topics hold is there already: only the fresh ones are waited for. */
  async fetch(request: FetchRequest): Promise<FetchedPartition[]> {
    const isNamed = (place: TopicPartition) => this.#named.has(place.topic);
    const unread = request.partitions.filter(
      (place) => isNamed(place) && place.offset < this.#endOf(place),
    );
    const original =
      unread.length === 0
        ? []
        : await this.#original.fetch({ ...request, partitions: unread, maxWaitMs: 0 });
    const rest = request.partitions.filter((place) => !isNamed(place));
    const maxWaitMs = original.length > 0 ? 0 : request.maxWaitMs;
    const fresh = await this.#fresh.fetch({ ...request, partitions: rest, maxWaitMs });
    return [...original.map((each) => this.#upToEnd(each)), ...fresh];
  }

  /** Another run may have gone on writing: batches that begin behind the end are left out. */
  #upToEnd(fetched: FetchedPartition): FetchedPartition {
    const end = this.#endOf(fetched);
    const { records, highWatermark, lastStableOffset } = fetched;
    return {
      ...fetched,
      records: records.subarray(0, endWithin(records, 0, end, records.length)),
      highWatermark: Math.min(end, highWatermark),
      lastStableOffset: Math.min(end, lastStableOffset),
    };
  }

  async producer(options: ProducerOptions): Promise<Producer> {
    return new OverlayProducer(await this.#fresh.producer(options), (topics) =>
      this.#refuse(topics),
    );
  }

  join(options: GroupOptions): Promise<GroupMember> {
    return this.#fresh.join(options);
  }

  committed(group: string, partitions: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    return this.#fresh.committed(group, partitions);
  }

  commitOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void> {
    return this.#fresh.commitOffsets(group, offsets, member);
  }

  async close(): Promise<void> {}

  #endOf(place: TopicPartition): number {
    return this.#ends.get(nameOf(place)) ?? 0;
  }

  #refuse(topics: readonly string[]): void {
    const topic = topics.find((each) => this.#named.has(each));
    if (topic !== undefined) throw new MillraceError("TOPIC_READ_ONLY", { topic });
  }
}

/** A producer of the fresh broker that knows what it must not touch. */
class OverlayProducer implements Producer {
  readonly #producer: Producer;
  readonly #check: (topics: readonly string[]) => void;

  constructor(producer: Producer, check: (topics: readonly string[]) => void) {
    this.#producer = producer;
    this.#check = check;
  }

  get producerId(): number {
    return this.#producer.producerId;
  }

  get epoch(): number {
    return this.#producer.epoch;
  }

  begin(): void {
    this.#producer.begin();
  }

  async send(batches: readonly ProducerBatch[]): Promise<number[]> {
    this.#check(batches.map(({ topic }) => topic));
    return await this.#producer.send(batches);
  }

  sendOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void> {
    return this.#producer.sendOffsets(group, offsets, member);
  }

  commit(): Promise<void> {
    return this.#producer.commit();
  }

  abort(): Promise<void> {
    return this.#producer.abort();
  }

  close(): Promise<void> {
    return this.#producer.close();
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
