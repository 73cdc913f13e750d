import { MillraceError } from "../../schemas/errors.ts";
import type { MemberIdentity, OffsetToCommit, TopicPartition } from "../broker.ts";
import { type ClusterClient, placeOf } from "./cluster-client.ts";
import { kafkaCode, kafkaError, kafkaErrorName } from "./error-codes.ts";
import type { Lane } from "./lane.ts";
import type { PartitionResult } from "./requests/kafka-request.ts";
import {
  addOffsetsRequest,
  addPartitionsRequest,
  endTransactionRequest,
  type ProducerIdentity,
  transactionOffsetsRequest,
} from "./requests/transactions.ts";

/** The coordinators' side of one transactional producer: what they know of its transaction. */
export class TransactionClient {
  readonly #client: ClusterClient;
  readonly #lane: Lane;
  readonly #id: string;
  readonly #identity: ProducerIdentity;
  readonly #partitions = new Set<string>();
  readonly #groups = new Set<string>();
  #adding: Promise<unknown> = Promise.resolve();

  constructor(client: ClusterClient, lane: Lane, id: string, identity: ProducerIdentity) {
    this.#client = client;
    this.#lane = lane;
    this.#id = id;
    this.#identity = identity;
  }

  /** Whether nothing was added since `begin`. */
  get empty(): boolean {
    return this.#partitions.size + this.#groups.size === 0;
  }

  begin(): void {
    this.#partitions.clear();
    this.#groups.clear();
  }

  /** Adds the partitions that are new in this transaction; one request at a time. */
  async addPartitions(partitions: readonly TopicPartition[]): Promise<void> {
    const adding = this.#addAfter(this.#adding, partitions);
    this.#adding = adding.then(ignore, ignore);
    await adding;
  }

  async #addAfter(earlier: Promise<unknown>, partitions: readonly TopicPartition[]): Promise<void> {
    await earlier;
    const fresh = partitions.filter((each) => !this.#partitions.has(placeOf(each)));
    if (fresh.length === 0) {
      return;
    }
    const { answer } = await this.#client.onCoordinator(
      this.#lane,
      "transaction",
      this.#id,
      addPartitionsRequest(this.#id, this.#identity, fresh),
      firstCode,
    );
    this.#throwFirst(answer, "AddPartitionsToTxn", {});
    for (const each of fresh) {
      this.#partitions.add(placeOf(each));
    }
  }

  /** Makes a group known, once a transaction. */
  async addGroup(group: string): Promise<void> {
    if (this.#groups.has(group)) return;
    const { answer } = await this.#client.onCoordinator(
      this.#lane,
      "transaction",
      this.#id,
      addOffsetsRequest(this.#id, this.#identity, group),
      same,
    );
    if (answer !== kafkaCode.none) {
      throw kafkaError(answer, "AddOffsetsToTxn", { transactionalId: this.#id, group });
    }
    this.#groups.add(group);
  }

  async addOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void> {
    await this.addGroup(group);
    const { answer } = await this.#client.onCoordinator(
      this.#lane,
      "group",
      group,
      transactionOffsetsRequest(this.#id, this.#identity, group, offsets, member),
      firstCode,
    );
    const who = { member: member?.memberId ?? "", generation: member?.generation ?? -1 };
    this.#throwFirst(answer, "TxnOffsetCommit", { group, ...who });
  }

  /**
   * Ends the transaction. A try whose answer was lost is repeated: the coordinator answers a
   * second time as the first.
   *
   * @throws {MillraceError} PRODUCER_FENCED, TRANSACTION_OUTCOME_UNKNOWN.
   */
  async end(committed: boolean): Promise<void> {
    await this.#adding;
    const transactionalId = this.#id;
    const request = endTransactionRequest(transactionalId, this.#identity, committed);
    const { answer: code, repeated } = await this.#client
      .onCoordinator(this.#lane, "transaction", transactionalId, request, same)
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        const context = { transactionalId, reason };
        throw new MillraceError("TRANSACTION_OUTCOME_UNKNOWN", context, { cause: error });
      });
    const fenced = code === kafkaCode.invalidProducerEpoch || code === kafkaCode.producerFenced;
    if (fenced && !repeated) {
      throw kafkaError(code, "EndTxn", { transactionalId });
    }
    // Nothing was added as the coordinator knows it: the transaction that failed never began.
    const never = !committed && code === kafkaCode.invalidTransactionState && this.empty;
    if (code !== kafkaCode.none && !never) {
      const reason = `EndTxn: ${kafkaErrorName(code)}`;
      throw new MillraceError("TRANSACTION_OUTCOME_UNKNOWN", { transactionalId, reason });
    }
  }

  #throwFirst(
    answers: readonly PartitionResult[],
    request: string,
    context: Readonly<Record<string, string | number>>,
  ): void {
    const bad = firstFailure(answers);
    if (bad !== undefined) {
      const { topic, partition, error } = bad;
      const where = { transactionalId: this.#id, topic, partition };
      throw kafkaError(error, request, { ...where, ...context });
    }
  }
}

/** The first that failed by itself: the others were not attempted for its sake. */
function firstFailure(answers: readonly PartitionResult[]): PartitionResult | undefined {
  const failed = answers.filter(({ error }) => error !== kafkaCode.none);
  return failed.find(({ error }) => error !== kafkaCode.operationNotAttempted) ?? failed[0];
}

function firstCode(answers: readonly PartitionResult[]): number {
  return firstFailure(answers)?.error ?? kafkaCode.none;
}

function same(code: number): number {
  return code;
}

function ignore(): void {}
