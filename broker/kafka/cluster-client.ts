import { MillraceError } from "../../schemas/errors.ts";
import type { TopicPartition } from "../broker.ts";
import { Backoff } from "./backoff.ts";
import { kafkaCode, kafkaError, remedyOf } from "./error-codes.ts";
import { type ConnectionSettings, Lane } from "./lane.ts";
import type { KafkaRequest, PartitionResult } from "./requests/kafka-request.ts";
import {
  type ClusterMetadata,
  type CoordinatorKind,
  findCoordinatorRequest,
  metadataRequest,
  type NodeAddress,
  type TopicMetadata,
} from "./requests/metadata.ts";

/** An answer of a coordinator, and whether an earlier try of the request may have taken effect. */
export interface CoordinatorAnswer<T> {
  readonly answer: T;
  readonly repeated: boolean;
}

/** A topic that a broker does not know may be new: ask again for this long. */
const unknownTopicLimitMs = 3_000;

/**
 * The cluster as known now: nodes, leaders, coordinators, and requests routed by them. Errors
 * that a new look at the cluster cures are retried here, within a limit.
 */
export class ClusterClient {
  readonly settings: ConnectionSettings;
  /** How long one call is retried before BROKER_UNAVAILABLE. */
  readonly limitMs: number;
  readonly #seeds: readonly NodeAddress[];
  readonly #lanes = new Set<Lane>();
  readonly #admin: Lane;
  readonly #topics = new Map<string, TopicMetadata>();
  readonly #coordinators = new Map<string, NodeAddress>();
  #nodes = new Map<number, NodeAddress>();
  #controller = -1;
  #closed = false;

  constructor(brokers: readonly string[], settings: ConnectionSettings) {
    this.settings = settings;
    this.limitMs = 2 * settings.requestTimeoutMs;
    this.#seeds = brokers.map((broker) => {
      const colon = broker.lastIndexOf(":");
      return { node: -1, host: broker.slice(0, colon), port: Number(broker.slice(colon + 1)) };
    });
    this.#admin = this.lane();
  }

  /**
   * A lane of its own for whoever must not wait behind others; close it with `release`.
   *
   * @throws {MillraceError} BROKER_CLOSED.
   */
  lane(): Lane {
    if (this.#closed) {
      throw new MillraceError("BROKER_CLOSED", { request: "a request" });
    }
    const lane = new Lane(this.settings);
    this.#lanes.add(lane);
    return lane;
  }

  async release(lane: Lane): Promise<void> {
    this.#lanes.delete(lane);
    await lane.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const lanes = [...this.#lanes];
    this.#lanes.clear();
    await Promise.all(lanes.map((lane) => lane.close()));
  }

  get nodes(): readonly NodeAddress[] {
    return [...this.#nodes.values()];
  }

  /** Reads nodes and topics (`null`: all) from the first node that answers; remembers them. */
  async refresh(topics: readonly string[] | null): Promise<ClusterMetadata> {
    const metadata = await this.anyNode(metadataRequest(topics));
    this.#nodes = new Map(metadata.nodes.map((address) => [address.node, address]));
    this.#controller = metadata.controller;
    for (const topic of metadata.topics) {
      if (topic.error === kafkaCode.none || topic.leaders.length > 0) {
        this.#topics.set(topic.name, topic);
      } else {
        this.#topics.delete(topic.name);
      }
    }
    return metadata;
  }

  forget(topics: readonly string[]): void {
    for (const topic of topics) {
      this.#topics.delete(topic);
    }
  }

  /** Asks the nodes known, then the seeds, one after another, until one answers. */
  async anyNode<T>(request: KafkaRequest<T>, backoff = new Backoff(this.limitMs)): Promise<T> {
    for (;;) {
      let failure: unknown = null;
      for (const address of [...this.#nodes.values(), ...this.#seeds]) {
        try {
          return await this.#admin.send(address, request);
        } catch (error) {
          rethrowUnlessUnavailable(error);
          failure = error;
        }
      }
      if (backoff.expired) {
        throw failure;
      }
      await backoff.wait();
    }
  }

  async toNode<T>(address: NodeAddress, request: KafkaRequest<T>): Promise<T> {
    return await this.#admin.send(address, request);
  }

  /**
   * Asks every node of the cluster, all of them anew while one does not answer or refuses for now:
   * what a node that is gone has coordinated is by then another's.
   *
   * @throws {MillraceError} BROKER_UNAVAILABLE when the limit is over.
   */
  async everyNode<T>(request: KafkaRequest<T>, errorOf: (answer: T) => number): Promise<T[]> {
    const backoff = new Backoff(this.limitMs);
    for (;;) {
      await this.refresh([]);
      try {
        const answers = await Promise.all(
          this.nodes.map((address) => this.#admin.send(address, request)),
        );
        const settled = answers.every((answer) => remedyOf(errorOf(answer)) === "none");
        if (answers.length > 0 && (settled || backoff.expired)) return answers;
        if (backoff.expired) throw this.unavailable(request.api.name, "no node is registered");
      } catch (error) {
        rethrowUnlessUnavailable(error);
        if (backoff.expired) {
          throw error;
        }
      }
      await backoff.wait();
    }
  }

  /** Sends to the controller; `errorOf` says when it has moved. */
  async onController<T>(request: KafkaRequest<T>, errorOf: (answer: T) => number): Promise<T> {
    const backoff = new Backoff(this.limitMs);
    for (;;) {
      const address = this.#nodes.get(this.#controller);
      if (address !== undefined) {
        try {
          const answer = await this.#admin.send(address, request);
          if (remedyOf(errorOf(answer)) === "none" || backoff.expired) {
            return answer;
          }
        } catch (error) {
          rethrowUnlessUnavailable(error);
          if (backoff.expired) {
            throw error;
          }
        }
        await backoff.wait();
      }
      await this.refresh([]);
      if (this.#nodes.has(this.#controller)) continue;
      if (backoff.expired) throw this.unavailable(request.api.name, "there is no controller");
      await backoff.wait();
    }
  }

  /**
   * Sends each item to the leader of its partition, in parallel over nodes, until each has an
   * answer that no retry changes; in the order of `items`.
   *
   * @throws {MillraceError} BROKER_UNAVAILABLE when the limit is over.
   */
  async onLeaders<P extends TopicPartition, R extends PartitionResult>(
    lane: Lane,
    items: readonly P[],
    requestOf: (items: readonly P[]) => KafkaRequest<R[]>,
    unknown: (item: P) => R,
  ): Promise<R[]> {
    const results = new Map<string, R>();
    const backoff = new Backoff(this.limitMs);
    const unknownTopics = new Backoff(unknownTopicLimitMs);
    let rest: readonly P[] = items;
    for (let round = 0; ; round++) {
      const { routed, leaderless } = this.#route(rest);
      let failure: unknown = null;
      await Promise.all(
        [...routed].map(async ([address, batch]) => {
          try {
            const answers = await lane.send(address, requestOf(batch));
            this.#settle(answers, results, unknownTopics);
          } catch (error) {
            rethrowUnlessUnavailable(error);
            failure = error;
          }
        }),
      );
      for (const item of unknownTopics.expired ? leaderless : []) {
        if (!this.hasPartition(item)) {
          results.set(placeOf(item), unknown(item));
        }
      }
      rest = rest.filter((item) => !results.has(placeOf(item)));
      if (rest.length === 0) {
        return items.map((item) => results.get(placeOf(item)) ?? unknown(item));
      }
      if (backoff.expired) {
        throw failure ?? this.#noLeader(rest);
      }
      // The first look at a topic is no failure: nothing to wait for.
      if (round > 0 || leaderless.length < rest.length) {
        await backoff.wait();
      }
      await this.refresh([...new Set(rest.map(({ topic }) => topic))]);
    }
  }

  /** Partitions by leader, from what is known now. */
  #route<P extends TopicPartition>(
    items: readonly P[],
  ): { readonly routed: Map<NodeAddress, P[]>; readonly leaderless: P[] } {
    const routed = new Map<NodeAddress, P[]>();
    const leaderless: P[] = [];
    for (const item of items) {
      const address = this.leaderOf(item);
      const batch = address === null ? leaderless : routed.get(address);
      if (batch === undefined && address !== null) {
        routed.set(address, [item]);
      } else {
        batch?.push(item);
      }
    }
    return { routed, leaderless };
  }

  /** The leader of a partition; null when none is known. */
  leaderOf({ topic, partition }: TopicPartition): NodeAddress | null {
    const node = this.#topics.get(topic)?.leaders[partition];
    return node === undefined ? null : (this.#nodes.get(node) ?? null);
  }

  /** Whether the partition stood in what was read last, with a leader or without. */
  hasPartition({ topic, partition }: TopicPartition): boolean {
    return this.#topics.get(topic)?.leaders[partition] !== undefined;
  }

  #settle<R extends PartitionResult>(
    answers: readonly R[],
    results: Map<string, R>,
    unknownTopics: Backoff,
  ): void {
    for (const answer of answers) {
      const unknown = answer.error === kafkaCode.unknownTopicOrPartition;
      if (remedyOf(answer.error) === "none" || (unknown && unknownTopics.expired)) {
        results.set(placeOf(answer), answer);
      }
    }
  }

  #noLeader(rest: readonly TopicPartition[]): MillraceError {
    const first = rest[0];
    const reason = `${first?.topic}/${first?.partition} has no leader`;
    return this.unavailable("a request to the leader", reason);
  }

  unavailable(request: string, reason: string): MillraceError {
    const brokers = this.#seeds.map(({ host, port }) => `${host}:${port}`).join(", ");
    const timeoutMs = this.limitMs;
    return new MillraceError("BROKER_UNAVAILABLE", { request, reason, timeoutMs, brokers });
  }

  /**
   * Sends to the coordinator of a group or a transactional id, wherever it moves, until the
   * answer is one that no retry changes.
   *
   * @throws {MillraceError} BROKER_UNAVAILABLE when the limit is over.
   */
  async onCoordinator<T>(
    lane: Lane,
    kind: CoordinatorKind,
    id: string,
    request: KafkaRequest<T>,
    errorOf: (answer: T) => number,
    limitMs = this.limitMs,
  ): Promise<CoordinatorAnswer<T>> {
    const backoff = new Backoff(limitMs);
    const busy = new Backoff(limitMs, 1, 3);
    const unknownTopics = new Backoff(unknownTopicLimitMs);
    let repeated = false;
    for (;;) {
      const address = await this.#coordinator(kind, id, backoff);
      let code: number;
      try {
        const answer = await lane.send(address, request);
        code = errorOf(answer);
        const unknown = code === kafkaCode.unknownTopicOrPartition && unknownTopics.expired;
        if (remedyOf(code) === "none" || unknown || backoff.expired) {
          return { answer, repeated };
        }
      } catch (error) {
        rethrowUnlessUnavailable(error);
        if (backoff.expired) {
          throw error;
        }
        repeated = true;
        code = kafkaCode.coordinatorNotAvailable;
      }
      if (remedyOf(code) !== "again") {
        this.#coordinators.delete(`${kind} ${id}`);
      }
      await (code === kafkaCode.concurrentTransactions ? busy : backoff).wait();
    }
  }

  async #coordinator(kind: CoordinatorKind, id: string, backoff: Backoff): Promise<NodeAddress> {
    const name = `${kind} ${id}`;
    for (;;) {
      const known = this.#coordinators.get(name);
      if (known !== undefined) {
        return known;
      }
      const found = await this.anyNode(findCoordinatorRequest(kind, id), backoff);
      if (found.error === kafkaCode.none) {
        this.#coordinators.set(name, found);
      } else if (remedyOf(found.error) === "none") {
        throw kafkaError(found.error, "FindCoordinator", {
          [kind === "group" ? "group" : "transactionalId"]: id,
        });
      } else if (backoff.expired) {
        throw this.unavailable("FindCoordinator", `Kafka error ${found.error} for the ${name}`);
      } else {
        await backoff.wait();
      }
    }
  }
}

/** One text a partition, for maps. */
export function placeOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

function rethrowUnlessUnavailable(error: unknown): void {
  if (!(error instanceof MillraceError) || error.code !== "BROKER_UNAVAILABLE") {
    throw error;
  }
}
