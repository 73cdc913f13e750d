import type { OffsetToCommit } from "../broker.ts";

/** A topic as the journal knows it. `number` is never used again and names its folder. */
export interface TopicEntry {
  readonly number: number;
  readonly id: string;
  readonly name: string;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
}

/** Where a transaction has written: within `[firstOffset, endOffset)` of a partition. */
export type TransactionPart = readonly [
  topic: number,
  partition: number,
  firstOffset: number,
  endOffset: number,
];

/** The part of a decided transaction in one log. */
export interface DecidedPart {
  readonly firstOffset: number;
  readonly endOffset: number;
}

export type GroupOffsets = Readonly<Record<string, readonly OffsetToCommit[]>>;

/** What happened to the broker, in order. The state is what all entries amount to. */
export type BrokerEntry =
  | { readonly kind: "topic"; readonly topic: TopicEntry }
  | { readonly kind: "partitions"; readonly number: number; readonly partitions: number }
  | { readonly kind: "topic-deleted"; readonly number: number }
  | {
      readonly kind: "log-start";
      readonly number: number;
      readonly partition: number;
      readonly offset: number;
    }
  | {
      readonly kind: "producer";
      readonly transactionalId: string;
      readonly producerId: number;
      readonly epoch: number;
    }
  /** Producer ids and topic numbers below these may have been given out. */
  | { readonly kind: "numbers"; readonly producerId: number; readonly topic: number }
  /** Decides a transaction: from here on it is committed, whatever happens. */
  | {
      readonly kind: "commit";
      readonly producerId: number;
      readonly parts: readonly TransactionPart[];
      readonly offsets: GroupOffsets;
    }
  | { readonly kind: "offsets"; readonly offsets: GroupOffsets }
  | {
      readonly kind: "group";
      readonly group: string;
      readonly generation: number;
      readonly members: number;
    };

export interface ProducerEpoch {
  readonly producerId: number;
  readonly epoch: number;
}

export interface CommittedEntry {
  readonly offset: number;
  readonly metadata: string;
}

/** Generation of a group and how many members it has ever had. */
export interface GroupEntry {
  readonly generation: number;
  readonly members: number;
}

/** Everything of a broker but its logs. Changes by entries alone. */
export class BrokerState {
  readonly topics = new Map<number, TopicEntry>();
  readonly logStarts = new Map<string, number>();
  readonly producers = new Map<string, ProducerEpoch>();
  readonly groups = new Map<string, GroupEntry>();
  /** By group, then `topic/partition`. */
  readonly offsets = new Map<string, Map<string, CommittedEntry>>();
  /**
   * By `topic number/partition` and producer: the last decided transaction there, until its marker
   * is known to be written, and flushed where commits are.
   */
  readonly decided = new Map<string, Map<number, DecidedPart>>();
  /** Producer ids from here on have never been given out. */
  producerIdLimit = 0;
  nextTopicNumber = 0;

  apply(entry: BrokerEntry): void {
    switch (entry.kind) {
      case "topic":
        this.topics.set(entry.topic.number, entry.topic);
        this.nextTopicNumber = Math.max(this.nextTopicNumber, entry.topic.number + 1);
        break;
      case "partitions": {
        const topic = this.topics.get(entry.number);
        if (topic === undefined) break;
        this.topics.set(entry.number, { ...topic, partitions: entry.partitions });
        break;
      }
      case "topic-deleted":
        this.#deleteTopic(entry.number);
        break;
      case "log-start":
        this.logStarts.set(`${entry.number}/${entry.partition}`, entry.offset);
        break;
      case "producer": {
        const { producerId, epoch } = entry;
        this.producers.set(entry.transactionalId, { producerId, epoch });
        break;
      }
      case "numbers":
        this.producerIdLimit = Math.max(this.producerIdLimit, entry.producerId);
        this.nextTopicNumber = Math.max(this.nextTopicNumber, entry.topic);
        break;
      case "commit":
        for (const part of entry.parts) this.#decide(entry.producerId, part);
        this.#commitOffsets(entry.offsets);
        break;
      case "offsets":
        this.#commitOffsets(entry.offsets);
        break;
      case "group": {
        const { generation, members } = entry;
        this.groups.set(entry.group, { generation, members });
        break;
      }
    }
  }

  /** Entries that amount to the present state; call when no decided transaction is unfinished. */
  entries(): BrokerEntry[] {
    const list: BrokerEntry[] = [
      { kind: "numbers", producerId: this.producerIdLimit, topic: this.nextTopicNumber },
    ];
    for (const topic of this.topics.values()) list.push({ kind: "topic", topic });
    for (const [key, offset] of this.logStarts) {
      const [number = 0, partition = 0] = key.split("/").map(Number);
      list.push({ kind: "log-start", number, partition, offset });
    }
    for (const [transactionalId, producer] of this.producers) {
      list.push({ kind: "producer", transactionalId, ...producer });
    }
    for (const [group, entry] of this.groups) list.push({ kind: "group", group, ...entry });
    for (const [group, offsets] of this.offsets) {
      const committed = [...offsets].map(([key, entry]) => ({ ...partitionOf(key), ...entry }));
      list.push({ kind: "offsets", offsets: { [group]: committed } });
    }
    return list;
  }

  committed(group: string, topic: string, partition: number): CommittedEntry | null {
    return this.offsets.get(group)?.get(`${topic}/${partition}`) ?? null;
  }

  #decide(producerId: number, [topic, partition, firstOffset, endOffset]: TransactionPart): void {
    const key = `${topic}/${partition}`;
    const known = this.decided.get(key);
    const part = { firstOffset, endOffset };
    if (known === undefined) this.decided.set(key, new Map([[producerId, part]]));
    else known.set(producerId, part);
  }

  #commitOffsets(offsets: GroupOffsets): void {
    for (const [group, list] of Object.entries(offsets)) {
      let known = this.offsets.get(group);
      if (known === undefined) {
        known = new Map();
        this.offsets.set(group, known);
      }
      for (const { topic, partition, offset, metadata = "" } of list) {
        known.set(`${topic}/${partition}`, { offset, metadata });
      }
    }
  }

  /** Offsets of a topic go with it: one made anew begins at the beginning. */
  #deleteTopic(number: number): void {
    const topic = this.topics.get(number);
    if (topic === undefined) return;
    this.topics.delete(number);
    for (let partition = 0; partition < topic.partitions; partition++) {
      this.logStarts.delete(`${number}/${partition}`);
      this.decided.delete(`${number}/${partition}`);
      for (const offsets of this.offsets.values()) offsets.delete(`${topic.name}/${partition}`);
    }
  }
}

function partitionOf(key: string): { topic: string; partition: number } {
  const slash = key.lastIndexOf("/");
  return { topic: key.slice(0, slash), partition: Number(key.slice(slash + 1)) };
}
