import { MillraceError } from "../../schemas/errors.ts";
import type { FetchedPartition, FetchRequest } from "../broker.ts";
import { Backoff } from "./backoff.ts";
import { type ClusterClient, placeOf } from "./cluster-client.ts";
import { kafkaCode, kafkaError, remedyOf } from "./error-codes.ts";
import type { Lane } from "./lane.ts";
import { type FetchAnswer, fetchRequest, listOffsetsRequest, offsetAt } from "./requests/log.ts";
import type { NodeAddress } from "./requests/metadata.ts";

type Asked = FetchRequest["partitions"][number];

/** With several nodes each is asked in slices, so that a quiet one does not hold up the others. */
const sliceMs = 20;
/** Connections kept for the next fetch; more are open only while more fetches run. */
const idleLanesMost = 8;

/** Reads raw batches. Each running fetch has connections of its own, since it may wait. */
export class KafkaFetcher {
  readonly #client: ClusterClient;
  readonly #idle: Lane[] = [];
  #rotation = 0;
  #looking: Promise<void> | null = null;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  /** In turn: a broker fills its answer in the order in which it is asked. */
  async fetch(asked: FetchRequest): Promise<FetchedPartition[]> {
    if (asked.partitions.length === 0) {
      return [];
    }
    const first = this.#rotation++ % asked.partitions.length;
    const partitions = [...asked.partitions.slice(first), ...asked.partitions.slice(0, first)];
    const request = { ...asked, partitions };
    const lane = this.#idle.pop() ?? this.#client.lane();
    try {
      return await this.#until(lane, request);
    } finally {
      if (this.#idle.length < idleLanesMost) {
        this.#idle.push(lane);
      } else {
        await this.#client.release(lane);
      }
    }
  }

  async #until(lane: Lane, request: FetchRequest): Promise<FetchedPartition[]> {
    const deadline = performance.now() + request.maxWaitMs;
    const failing = new Backoff(this.#client.limitMs, 5, 200);
    for (let round = 0; ; round++) {
      const routes = this.#route(request.partitions);
      const leftMs = Math.max(0, Math.ceil(deadline - performance.now()));
      const waitMs = routes.size > 1 ? Math.min(sliceMs, leftMs) : leftMs;
      const rounds = await Promise.all(
        [...routes].map(([address, partitions]) => {
          const maxBytes = Math.ceil(request.maxBytes / routes.size);
          return this.#ask(lane, address, { ...request, partitions, maxBytes, maxWaitMs: waitMs });
        }),
      );
      const answers = rounds.flat();
      const { fetched, failed } = await this.#read(request, answers);
      const complete = answers.length === request.partitions.length && failed === 0;
      const topics = [...new Set(request.partitions.map(({ topic }) => topic))];
      if (fetched.length > 0) {
        if (!complete) {
          this.#lookMeanwhile(topics);
        }
        return fetched;
      }
      if (complete) {
        if (performance.now() >= deadline) {
          return [];
        }
        continue;
      }
      if (failing.expired) {
        const error = answers.find((answer) => answer.error !== kafkaCode.none);
        throw error === undefined
          ? this.#client.unavailable("Fetch", "no leader answers")
          : kafkaError(error.error, "Fetch", { topic: error.topic, partition: error.partition });
      }
      if (round > 0) {
        await failing.wait();
      }
      await this.#client.refresh(topics);
      this.#refuseUnknown(request, round);
    }
  }

  /** Looks for leaders that have moved, while those that have not are read. */
  #lookMeanwhile(topics: readonly string[]): void {
    const done = (): void => {
      this.#looking = null;
    };
    this.#looking ??= this.#client.refresh(topics).then(done, done);
  }

  #route(partitions: readonly Asked[]): Map<NodeAddress, Asked[]> {
    const routes = new Map<NodeAddress, Asked[]>();
    for (const each of partitions) {
      const leader = this.#client.leaderOf(each);
      if (leader !== null) {
        const route = routes.get(leader);
        if (route === undefined) {
          routes.set(leader, [each]);
        } else {
          route.push(each);
        }
      }
    }
    return routes;
  }

  async #ask(lane: Lane, address: NodeAddress, request: FetchRequest): Promise<FetchAnswer[]> {
    try {
      const { error, partitions } = await lane.send(address, fetchRequest(request));
      if (error !== kafkaCode.none) {
        throw kafkaError(error, "Fetch", {});
      }
      return partitions;
    } catch (error) {
      if (error instanceof MillraceError && error.code === "BROKER_UNAVAILABLE") {
        return [];
      }
      throw error;
    }
  }

  /** Partitions with batches, and how many failed in a way that a new look may cure. */
  async #read(
    request: FetchRequest,
    answers: readonly FetchAnswer[],
  ): Promise<{ readonly fetched: FetchedPartition[]; readonly failed: number }> {
    const offsets = new Map(request.partitions.map((each) => [placeOf(each), each.offset]));
    const fetched: FetchedPartition[] = [];
    let failed = 0;
    for (const answer of answers) {
      const offset = offsets.get(placeOf(answer)) ?? 0;
      const { topic, partition, error } = answer;
      if (error === kafkaCode.offsetOutOfRange) {
        const logStart = await this.#logStart(answer);
        throw new MillraceError("OFFSET_OUT_OF_RANGE", { topic, partition, offset, logStart });
      }
      if (error !== kafkaCode.none) {
        if (remedyOf(error) === "none") {
          throw kafkaError(error, "Fetch", { topic, partition });
        }
        failed++;
      } else if (answer.records.length > 0) {
        fetched.push({
          topic,
          partition,
          offset,
          records: answer.records,
          highWatermark: answer.highWatermark,
          lastStableOffset: answer.lastStableOffset,
          logStartOffset: answer.logStartOffset,
          aborted: answer.aborted,
        });
      }
    }
    return { fetched, failed };
  }

  async #logStart({ topic, partition }: FetchAnswer): Promise<number> {
    const lane = this.#client.lane();
    try {
      const asked = [{ topic, partition, timestamp: offsetAt.earliest }];
      const [start] = await this.#client.onLeaders(
        lane,
        asked,
        (items) => listOffsetsRequest(items, "read_uncommitted"),
        () => ({ topic, partition, error: kafkaCode.unknownTopicOrPartition, offset: -1 }),
      );
      return start?.offset ?? -1;
    } finally {
      await this.#client.release(lane);
    }
  }

  /** After a fresh look: partitions that the cluster does not have. */
  #refuseUnknown({ partitions }: FetchRequest, round: number): void {
    const patience = 5;
    for (const { topic, partition } of round < patience ? [] : partitions) {
      if (!this.#client.hasPartition({ topic, partition })) {
        throw new MillraceError("TOPIC_UNKNOWN", { topic, partition });
      }
    }
  }
}
