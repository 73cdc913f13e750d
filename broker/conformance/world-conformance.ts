import assert from "node:assert/strict";
import type {
  Broker,
  FetchedPartition,
  GroupMember,
  GroupOptions,
  Producer,
  RecordBatch,
} from "../broker.ts";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { RecordReader } from "../record-batch/reader.ts";

/** Longest wait for something that is known to come. */
export const patienceMs = 30_000;
export const bigFetch = 64 * 1024 * 1024;

/** Registers a sentence that every adapter must keep, and what shows it. */
export type Rule = (sentence: string, run: (world: World) => Promise<void>) => void;

let names = 0;

/** A broker and what a test has made on it; names are unique, since the broker may be shared. */
export class World {
  readonly broker: Broker;
  readonly prefix: string;
  readonly #topics: string[] = [];
  readonly #producers: Producer[] = [];
  readonly #members: GroupMember[] = [];

  constructor(broker: Broker) {
    this.broker = broker;
    this.prefix = `conformance.${process.pid}.${Date.now().toString(36)}.${names++}`;
  }

  name(suffix: string): string {
    return `${this.prefix}.${suffix}`;
  }

  async topic(
    partitions = 1,
    config: Readonly<Record<string, string>> = {},
    suffix = `t${this.#topics.length}`,
  ): Promise<string> {
    const name = this.name(suffix);
    this.#topics.push(name);
    await this.broker.createTopics([
      { name, partitions, config: { "retention.ms": "-1", ...config } },
    ]);
    return name;
  }

  async producer(suffix: string | null = "writer"): Promise<Producer> {
    const transactionalId = suffix === null ? null : this.name(suffix);
    const producer = await this.broker.producer({ transactionalId });
    this.#producers.push(producer);
    return producer;
  }

  async join(options: Partial<GroupOptions> & { group: string }): Promise<GroupMember> {
    const member = await this.broker.join({
      metadata: Buffer.alloc(0),
      assign: assignNames,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      ...options,
    });
    this.#members.push(member);
    return member;
  }

  /** All values that a reader sees from an offset on, read to the present end. */
  async values(
    topic: string,
    partition = 0,
    from = 0,
    isolation: "read_committed" | "read_uncommitted" = "read_committed",
  ): Promise<string[]> {
    return (await this.records(topic, partition, from, isolation)).map(({ value }) => value);
  }

  async records(
    topic: string,
    partition = 0,
    from = 0,
    isolation: "read_committed" | "read_uncommitted" = "read_committed",
  ): Promise<{ offset: number; key: string | null; value: string }[]> {
    const at = isolation === "read_committed" ? "stable" : "latest";
    const [end = 0] = await this.broker.listOffsets([{ topic, partition, at }]);
    const reader = new RecordReader({ checkCrc: true });
    const found: { offset: number; key: string | null; value: string }[] = [];
    for (let offset = from; offset < end; ) {
      const fetched = await this.fetch(topic, partition, offset, isolation);
      assert.ok(fetched, `${topic}/${partition} has nothing at ${offset} but ends at ${end}`);
      reader.open(fetched, isolation);
      while (reader.next()) {
        found.push({
          offset: reader.offset,
          key: textAt(reader, reader.keyStart, reader.keyEnd),
          value: textAt(reader, reader.valueStart, reader.valueEnd) ?? "null",
        });
      }
      assert.ok(reader.nextOffset > offset, "a fetch leads on");
      offset = reader.nextOffset;
    }
    return found;
  }

  async fetch(
    topic: string,
    partition: number,
    offset: number,
    isolation: "read_committed" | "read_uncommitted" = "read_committed",
    maxWaitMs = 1000,
  ): Promise<FetchedPartition | undefined> {
    const fetched = await this.broker.fetch({
      partitions: [{ topic, partition, offset, maxBytes: bigFetch }],
      isolation,
      maxWaitMs,
      maxBytes: bigFetch,
    });
    return fetched[0];
  }

  async offset(topic: string, at: "earliest" | "latest" | "stable", partition = 0) {
    return (await this.broker.listOffsets([{ topic, partition, at }]))[0];
  }

  /** Commits values as one transaction. */
  async committed(producer: Producer, topic: string, ...values: string[]): Promise<void> {
    producer.begin();
    await producer.send([{ topic, partition: 0, batch: batchOf(...values) }]);
    await producer.commit();
    await this.settled(topic);
  }

  /** Waits for the markers of ended transactions: they may come after the answer to their end. */
  async settled(topic: string): Promise<void> {
    await until(
      async () => (await this.offset(topic, "stable")) === (await this.offset(topic, "latest")),
    );
  }

  async cleanUp(): Promise<void> {
    for (const member of this.#members) await member.leave().catch(() => {});
    for (const producer of this.#producers) await producer.close().catch(() => {});
    await this.broker.deleteTopics(this.#topics).catch(() => {});
  }
}

/** Assigns each member its own name and everybody's. */
export function assignNames(members: ReadonlyMap<string, Buffer>): Map<string, Buffer> {
  const all = [...members.values()].map(String).sort().join(",");
  return new Map([...members].map(([id, name]) => [id, Buffer.from(`${name} of ${all}`)]));
}

export function nextLoss(member: GroupMember): Promise<void> {
  return new Promise((resolve) => member.onLost(resolve));
}

export function batchOf(...values: string[]): RecordBatch {
  const builder = new RecordBatchBuilder();
  for (const value of values) builder.append(Buffer.from("key"), Buffer.from(value), 1000);
  return builder.build();
}

/** The key of an abort marker is four zero bytes when its version is 0: data may look like it. */
export function zeroKeyBatchOf(value: string): RecordBatch {
  const builder = new RecordBatchBuilder();
  builder.append(Buffer.alloc(4), Buffer.from(value), 1000);
  return builder.build();
}

export function textAt(reader: RecordReader, start: number, end: number): string | null {
  return start < 0 ? null : reader.buffer.toString("utf8", start, end);
}

/** Waits for a condition that something remote makes true. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    if (await condition()) return;
    assert.ok(Date.now() < deadline, "the condition did not come true in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
