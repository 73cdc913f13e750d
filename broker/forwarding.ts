import type * as port from "./broker.ts";

/** A broker that hands every call to another: the base of those that change some of them. */
export class ForwardingBroker implements port.Broker {
  readonly kind: port.Broker["kind"];
  readonly #inner: port.Broker;

  constructor(inner: port.Broker) {
    this.kind = inner.kind;
    this.#inner = inner;
  }

  createTopics(topics: readonly port.TopicSettings[]): Promise<void> {
    return this.#inner.createTopics(topics);
  }
  addPartitions(topic: string, partitions: number): Promise<void> {
    return this.#inner.addPartitions(topic, partitions);
  }
  deleteTopics(names: readonly string[]): Promise<void> {
    return this.#inner.deleteTopics(names);
  }
  describeTopics(names?: readonly string[]): Promise<port.TopicDescription[]> {
    return this.#inner.describeTopics(names);
  }
  deleteRecords(partitions: readonly port.PartitionOffset[]): Promise<void> {
    return this.#inner.deleteRecords(partitions);
  }
  listOffsets(partitions: readonly port.OffsetQuery[]): Promise<number[]> {
    return this.#inner.listOffsets(partitions);
  }
  fetch(request: port.FetchRequest): Promise<port.FetchedPartition[]> {
    return this.#inner.fetch(request);
  }
  producer(options: port.ProducerOptions): Promise<port.Producer> {
    return this.#inner.producer(options);
  }
  join(options: port.GroupOptions): Promise<port.GroupMember> {
    return this.#inner.join(options);
  }
  committed(
    group: string,
    partitions: readonly port.TopicPartition[],
  ): Promise<port.CommittedOffset[]> {
    return this.#inner.committed(group, partitions);
  }
  commitOffsets(
    group: string,
    offsets: readonly port.OffsetToCommit[],
    member: port.MemberIdentity | null,
  ): Promise<void> {
    return this.#inner.commitOffsets(group, offsets, member);
  }
  async fenceTransactions(
    stale: (transactionalId: string) => boolean,
    scope?: port.TransactionScope,
  ): Promise<string[]> {
    return (await this.#inner.fenceTransactions?.(stale, scope)) ?? [];
  }
  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** A producer that hands every call to another: the base of those that change some of them. */
export class ForwardingProducer implements port.Producer {
  readonly producerId: number;
  readonly epoch: number;
  readonly #inner: port.Producer;

  constructor(inner: port.Producer) {
    this.producerId = inner.producerId;
    this.epoch = inner.epoch;
    this.#inner = inner;
  }

  begin(): void {
    this.#inner.begin();
  }
  send(batches: readonly port.ProducerBatch[]): Promise<number[]> {
    return this.#inner.send(batches);
  }
  sendOffsets(
    group: string,
    offsets: readonly port.OffsetToCommit[],
    member: port.MemberIdentity | null,
  ): Promise<void> {
    return this.#inner.sendOffsets(group, offsets, member);
  }
  commit(): Promise<void> {
    return this.#inner.commit();
  }
  abort(): Promise<void> {
    return this.#inner.abort();
  }
  close(): Promise<void> {
    return this.#inner.close();
  }
}
