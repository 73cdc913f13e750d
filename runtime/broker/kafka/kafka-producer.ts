import { type ErrorCode, MillraceError } from "../../../schemas/errors.ts";
import type {
  MemberIdentity,
  OffsetToCommit,
  Producer,
  ProducerBatch,
  ProducerOptions,
  TopicPartition,
} from "../broker.ts";
import { finishBatch } from "../record-batch/builder.ts";
import { type ClusterClient, placeOf } from "./cluster-client.ts";
import { kafkaCode, kafkaError, kafkaErrorName } from "./error-codes.ts";
import type { Lane } from "./lane.ts";
import type { PartitionResult } from "./requests/kafka-request.ts";
import { type BatchToWrite, type ProduceAnswer, produceRequest } from "./requests/log.ts";
import {
  addOffsetsRequest,
  addPartitionsRequest,
  endTransactionRequest,
  initProducerIdRequest,
  type ProducerIdentity,
  transactionOffsetsRequest,
} from "./requests/transactions.ts";

const defaultTransactionTimeoutMs = 60_000;
const sequenceModulus = 2 ** 31;

/** Errors after which it is known that the broker appended nothing of the batch refused. */
const cleanFailures: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "RECORD_TOO_LARGE",
  "TOPIC_UNKNOWN",
  "ILLEGAL_GENERATION",
  "UNKNOWN_MEMBER",
  "METADATA_TOO_LARGE",
  "TRANSACTION_STATE",
  "BROKER_REFUSED",
  "BROKER_AUTHORIZATION",
]);

/** Where the producer stands with one partition. */
interface PartitionState {
  nextSequence: number;
  /** Settles when the last batch sent to it has its answer: never two in flight. */
  tail: Promise<void>;
}

/**
 * `idle` → `open` → `ending` → `idle`; `failed`: something in the open transaction went wrong, it
 * can only be aborted; `broken`: fenced, or what the broker holds is unknown; `closed`.
 */
type State = "idle" | "open" | "failed" | "ending" | "broken" | "closed";

/** Registers with the coordinator (fencing earlier producers of the id); ready when it resolves. */
export async function openKafkaProducer(
  client: ClusterClient,
  options: ProducerOptions,
  onClosed: (producer: KafkaProducer) => void,
): Promise<KafkaProducer> {
  const { transactionalId, transactionTimeoutMs = defaultTransactionTimeoutMs } = options;
  const lane = client.lane();
  try {
    const request = initProducerIdRequest(transactionalId, transactionTimeoutMs);
    const identity =
      transactionalId === null
        ? await client.anyNode(request)
        : (
            await client.onCoordinator(
              lane,
              "transaction",
              transactionalId,
              request,
              ({ error }) => error,
            )
          ).answer;
    if (identity.error !== kafkaCode.none) {
      throw kafkaError(identity.error, "InitProducerId", { transactionalId });
    }
    return new KafkaProducer(client, lane, transactionalId, identity, onClosed);
  } catch (error) {
    await client.release(lane);
    throw error;
  }
}

/** The producer over Kafka: whole batches, one a partition in flight, sequences of its own. */
export class KafkaProducer implements Producer {
  readonly producerId: number;
  readonly epoch: number;
  readonly #client: ClusterClient;
  readonly #lane: Lane;
  readonly #transactionalId: string | null;
  readonly #onClosed: (producer: KafkaProducer) => void;
  readonly #partitions = new Map<string, PartitionState>();
  /** Partitions and groups of the open transaction that the coordinator knows. */
  readonly #added = new Set<string>();
  readonly #groups = new Set<string>();
  #state: State = "idle";
  /** Why the transaction, or the producer, is of no more use. */
  #failure: Error | null = null;
  #adding: Promise<unknown> = Promise.resolve();
  /** False when the broker may hold a batch that we do not count. */
  #sequencesKnown = true;

  constructor(
    client: ClusterClient,
    lane: Lane,
    transactionalId: string | null,
    identity: ProducerIdentity,
    onClosed: (producer: KafkaProducer) => void,
  ) {
    this.producerId = identity.producerId;
    this.epoch = identity.epoch;
    this.#client = client;
    this.#lane = lane;
    this.#transactionalId = transactionalId;
    this.#onClosed = onClosed;
  }

  begin(): void {
    this.#expect("begin", ["idle"]);
    this.#transactional("begin");
    this.#state = "open";
    this.#added.clear();
    this.#groups.clear();
  }

  async send(batches: readonly ProducerBatch[]): Promise<number[]> {
    this.#expect("send", this.#transactionalId === null ? ["idle"] : ["open"]);
    const filled = batches.filter(({ batch }) => batch.count > 0);
    const states = filled.map((batch) => this.#stateOf(batch));
    if (new Set(states).size < states.length) {
      throw this.#stateError("send", "two batches go to one partition");
    }
    const earlier = states.map(({ tail }) => tail);
    const sending = this.#sendAfter(Promise.all(earlier), filled, states);
    const settled = sending.then(ignore, ignore);
    for (const state of states) {
      state.tail = settled;
    }
    const offsets = await sending;
    let next = 0;
    return batches.map(({ batch }) => (batch.count > 0 ? (offsets[next++] ?? -1) : -1));
  }

  async #sendAfter(
    earlier: Promise<unknown>,
    batches: readonly ProducerBatch[],
    states: readonly PartitionState[],
  ): Promise<number[]> {
    await earlier;
    try {
      this.#expect("send", this.#transactionalId === null ? ["idle"] : ["open"]);
      await this.#addPartitions(batches);
      const writes = batches.map((batch, index) =>
        this.#write(batch, states[index]?.nextSequence ?? 0),
      );
      const answers = await this.#client.onLeaders(
        this.#lane,
        writes,
        (items) => produceRequest(this.#transactionalId, items, 30_000),
        unknownPartition,
      );
      return this.#settle(answers, writes, batches, states);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Copies the batch at sending, and stamps the copy: the caller's bytes stay as they are. */
  #write({ topic, partition, batch }: ProducerBatch, sequence: number): BatchToWrite {
    const stamp = {
      producerId: this.producerId,
      epoch: this.epoch,
      sequence,
      transactional: this.#transactionalId !== null,
    };
    return {
      topic,
      partition,
      sizeBytes: batch.encoded.length,
      write: (writer) => finishBatch(writer.raw(batch.encoded), stamp),
    };
  }

  #settle(
    answers: readonly ProduceAnswer[],
    writes: readonly BatchToWrite[],
    batches: readonly ProducerBatch[],
    states: readonly PartitionState[],
  ): number[] {
    let failure: MillraceError | null = null;
    answers.forEach(({ topic, partition, error }, index) => {
      const state = states[index];
      const count = batches[index]?.batch.count ?? 0;
      if (error !== kafkaCode.none) {
        const sizeBytes = writes[index]?.sizeBytes ?? 0;
        failure ??= this.#error(error, "Produce", { topic, partition, sizeBytes });
      } else if (state !== undefined) {
        state.nextSequence = (state.nextSequence + count) % sequenceModulus;
      }
    });
    if (failure !== null) {
      throw failure;
    }
    return answers.map(({ baseOffset }) => baseOffset);
  }

  /** Tells the coordinator of partitions that are new in this transaction, one request at a time. */
  async #addPartitions(batches: readonly TopicPartition[]): Promise<void> {
    const id = this.#transactionalId;
    if (id === null) {
      return;
    }
    const earlier = this.#adding;
    const adding = (async () => {
      await earlier;
      const fresh = batches.filter((batch) => !this.#added.has(placeOf(batch)));
      if (fresh.length === 0) {
        return;
      }
      const { answer } = await this.#client.onCoordinator(
        this.#lane,
        "transaction",
        id,
        addPartitionsRequest(id, this, fresh),
        worstError,
      );
      this.#throwFirst(answer, "AddPartitionsToTxn");
      for (const batch of fresh) {
        this.#added.add(placeOf(batch));
      }
    })();
    this.#adding = adding.then(ignore, ignore);
    await adding;
  }

  async sendOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void> {
    const id = this.#transactional("send offsets");
    this.#expect("send offsets", ["open"]);
    if (offsets.length === 0) {
      return;
    }
    try {
      if (!this.#groups.has(group)) {
        const request = addOffsetsRequest(id, this, group);
        const { answer } = await this.#client.onCoordinator(
          this.#lane,
          "transaction",
          id,
          request,
          same,
        );
        if (answer !== kafkaCode.none) {
          throw this.#error(answer, "AddOffsetsToTxn", { group });
        }
        this.#groups.add(group);
      }
      const request = transactionOffsetsRequest(id, this, group, offsets, member);
      const { answer } = await this.#client.onCoordinator(
        this.#lane,
        "group",
        group,
        request,
        worstError,
      );
      this.#throwFirst(answer, "TxnOffsetCommit", {
        group,
        member: member?.memberId ?? "",
        generation: member?.generation ?? -1,
      });
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  async commit(): Promise<void> {
    await this.#end(true);
  }

  async abort(): Promise<void> {
    await this.#end(false);
  }

  async #end(committed: boolean): Promise<void> {
    const action = committed ? "commit" : "abort";
    const id = this.#transactional(action);
    this.#expect(action, committed ? ["open"] : ["open", "failed"]);
    const failed = this.#state === "failed";
    this.#state = "ending";
    await Promise.all([...this.#partitions.values()].map(({ tail }) => tail));
    await this.#adding;
    if (committed && this.#failure !== null) {
      this.#state = "failed";
      throw this.#stateError(action, this.#failure.message);
    }
    try {
      // A failed request may have reached the coordinator: only a clean empty one is skipped.
      if (this.#added.size + this.#groups.size > 0 || failed) {
        await this.#endTransaction(id, committed);
      }
      this.#state = this.#sequencesKnown ? "idle" : "broken";
      this.#failure = this.#sequencesKnown ? null : this.#failure;
    } catch (error) {
      this.#state = "broken";
      this.#failure = asError(error);
      throw error;
    }
  }

  async #endTransaction(id: string, committed: boolean): Promise<void> {
    const request = endTransactionRequest(id, this, committed);
    let code: number;
    let repeated = true;
    try {
      const end = await this.#client.onCoordinator(this.#lane, "transaction", id, request, same);
      code = end.answer;
      repeated = end.repeated;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const context = { transactionalId: id, reason };
      throw new MillraceError("TRANSACTION_OUTCOME_UNKNOWN", context, { cause: error });
    }
    if (code === kafkaCode.none) {
      return;
    }
    const fenced = code === kafkaCode.invalidProducerEpoch || code === kafkaCode.producerFenced;
    if (fenced && !repeated) {
      throw this.#error(code, "EndTxn", {});
    }
    // Nothing was added as the coordinator knows it: the transaction that failed never began.
    if (!committed && code === kafkaCode.invalidTransactionState && this.#added.size === 0) {
      return;
    }
    const reason = `EndTxn: ${kafkaErrorName(code)}`;
    throw new MillraceError("TRANSACTION_OUTCOME_UNKNOWN", { transactionalId: id, reason });
  }

  async close(): Promise<void> {
    if (this.#state === "closed") {
      return;
    }
    const open = this.#state === "open" || this.#state === "failed";
    if (open && this.#transactionalId !== null) {
      // So that nobody waits for the time-out; if it fails, the time-out or the successor aborts.
      await this.abort().catch(ignore);
    }
    this.#state = "closed";
    this.#onClosed(this);
    await this.#client.release(this.#lane);
  }

  /** Gives up without a word to the broker, as the death of the process would. */
  abandon(): void {
    this.#state = "closed";
  }

  #stateOf(partition: TopicPartition): PartitionState {
    const place = placeOf(partition);
    let state = this.#partitions.get(place);
    if (state === undefined) {
      state = { nextSequence: 0, tail: Promise.resolve() };
      this.#partitions.set(place, state);
    }
    return state;
  }

  /**
   * After an error the open transaction can only be aborted. Where the broker may hold a batch that
   * we do not count, the next sequence is unknown too: the producer is then of no more use.
   */
  #fail(error: unknown): void {
    const code = error instanceof MillraceError ? error.code : null;
    const fenced = code === "PRODUCER_FENCED";
    this.#failure ??= asError(error);
    this.#sequencesKnown &&= code !== null && cleanFailures.has(code);
    if (fenced || (this.#transactionalId === null && !this.#sequencesKnown)) {
      this.#failure = asError(error);
      this.#state = "broken";
    } else if (this.#state === "open") {
      this.#state = "failed";
    } else if (this.#state === "idle") {
      this.#failure = null;
    }
  }

  #throwFirst(
    answers: readonly PartitionResult[],
    request: string,
    context: Readonly<Record<string, string | number>> = {},
  ): void {
    const bad = answers.find(({ error }) => error !== kafkaCode.none);
    if (bad !== undefined) {
      const { topic, partition, error } = bad;
      throw this.#error(error, request, { topic, partition, ...context });
    }
  }

  #error(
    code: number,
    request: string,
    context: Readonly<Record<string, string | number>>,
  ): MillraceError {
    return kafkaError(code, request, { transactionalId: this.#transactionalId, ...context });
  }

  #transactional(action: string): string {
    if (this.#transactionalId === null) {
      throw this.#stateError(action, "it has no transactional id");
    }
    return this.#transactionalId;
  }

  #expect(action: string, states: readonly State[]): void {
    if (states.includes(this.#state)) {
      return;
    }
    const failure = this.#failure;
    const fenced = failure instanceof MillraceError && failure.code === "PRODUCER_FENCED";
    if (this.#state === "broken" && fenced) {
      throw failure;
    }
    throw this.#stateError(action, failure?.message ?? `it is ${this.#state}`);
  }

  #stateError(action: string, reason: string): MillraceError {
    const transactionalId = this.#transactionalId ?? "(none)";
    return new MillraceError("TRANSACTION_STATE", { transactionalId, action, reason });
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function worstError(answers: readonly PartitionResult[]): number {
  return answers.find(({ error }) => error !== kafkaCode.none)?.error ?? kafkaCode.none;
}

function unknownPartition({ topic, partition }: TopicPartition): ProduceAnswer {
  return { topic, partition, error: kafkaCode.unknownTopicOrPartition, baseOffset: -1 };
}

function same(code: number): number {
  return code;
}

function ignore(): void {}
