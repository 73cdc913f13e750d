import { type ErrorCode, MillraceError } from "../../schemas/errors.ts";
import type {
  MemberIdentity,
  OffsetToCommit,
  Producer,
  ProducerBatch,
  ProducerOptions,
  TopicPartition,
} from "../broker.ts";
import { finishBatch } from "../record-batch/builder.ts";
import { Backoff } from "./backoff.ts";
import { type ClusterClient, placeOf } from "./cluster-client.ts";
import { kafkaCode, kafkaError, remedyOf } from "./error-codes.ts";
import type { Lane } from "./lane.ts";
import { endAgainWhereOpen, lastEnd } from "./lost-markers.ts";
import { type BatchToWrite, type ProduceAnswer, produceRequest } from "./requests/log.ts";
import { initProducerIdRequest, type ProducerIdentity } from "./requests/transactions.ts";
import { TransactionClient } from "./transaction-client.ts";

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
  const { transactionalId, transactionTimeoutMs = defaultTransactionTimeoutMs, scope } = options;
  const lane = client.lane();
  try {
    const identify = () => identityOf(client, lane, transactionalId, transactionTimeoutMs);
    if (scope === undefined || transactionalId === null) {
      return new KafkaProducer(client, lane, options, await identify(), onClosed);
    }
    const last = await lastEnd(client, lane, transactionalId, scope);
    const identity = await identify();
    if (last !== null) {
      await endAgainWhereOpen(client, lane, transactionalId, last, identity, scope);
    }
    return new KafkaProducer(client, lane, options, identity, onClosed);
  } catch (error) {
    await client.release(lane);
    throw error;
  }
}

async function identityOf(
  client: ClusterClient,
  lane: Lane,
  transactionalId: string | null,
  timeoutMs: number,
): Promise<ProducerIdentity> {
  const request = initProducerIdRequest(transactionalId, timeoutMs);
  const backoff = new Backoff(client.limitMs);
  for (;;) {
    const identity =
      transactionalId === null
        ? await client.anyNode(request)
        : (await client.onCoordinator(lane, "transaction", transactionalId, request, errorOf))
            .answer;
    if (identity.error === kafkaCode.none) {
      return identity;
    }
    if (remedyOf(identity.error) === "none" || backoff.expired) {
      throw kafkaError(identity.error, "InitProducerId", { transactionalId });
    }
    await backoff.wait();
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
  readonly #transaction: TransactionClient | null;
  readonly #timeoutMs: number;
  /** When the open transaction began. */
  #begunAt = 0;
  #state: State = "idle";
  /** Why the transaction, or the producer, is of no more use. */
  #failure: Error | null = null;
  /** False when the broker may hold a batch that we do not count. */
  #sequencesKnown = true;

  constructor(
    client: ClusterClient,
    lane: Lane,
    { transactionalId, transactionTimeoutMs = defaultTransactionTimeoutMs }: ProducerOptions,
    identity: ProducerIdentity,
    onClosed: (producer: KafkaProducer) => void,
  ) {
    this.#timeoutMs = transactionTimeoutMs;
    this.producerId = identity.producerId;
    this.epoch = identity.epoch;
    this.#client = client;
    this.#lane = lane;
    this.#transactionalId = transactionalId;
    this.#onClosed = onClosed;
    this.#transaction =
      transactionalId === null
        ? null
        : new TransactionClient(client, lane, transactionalId, identity);
  }

  begin(): void {
    this.#expect("begin", ["idle"]);
    this.#transactional("begin").begin();
    this.#begunAt = performance.now();
    this.#state = "open";
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
      await this.#transaction?.addPartitions(batches);
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
      throw this.#fail(error);
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

  async sendOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void> {
    const transaction = this.#transactional("send offsets");
    this.#expect("send offsets", ["open"]);
    if (offsets.length === 0) {
      return;
    }
    try {
      await transaction.addOffsets(group, offsets, member);
    } catch (error) {
      throw this.#fail(error);
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
    const transaction = this.#transactional(action);
    this.#expect(action, committed ? ["open"] : ["open", "failed"]);
    const failed = this.#state === "failed";
    this.#state = "ending";
    await Promise.all([...this.#partitions.values()].map(({ tail }) => tail));
    if (committed && this.#failure !== null) {
      this.#state = "failed";
      throw this.#stateError(action, this.#failure.message);
    }
    try {
      // A failed request may have reached the coordinator: only a clean empty one is skipped.
      if (!transaction.empty || failed) {
        await transaction.end(committed);
      }
      this.#state = this.#sequencesKnown ? "idle" : "broken";
      this.#failure = this.#sequencesKnown ? null : this.#failure;
    } catch (error) {
      this.#state = "broken";
      this.#failure = asError(this.#told(error));
      throw this.#failure;
    }
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
   * we do not count, the next sequence is unknown too: the producer is then of no more use. Returns
   * what is told of it.
   */
  #fail(found: unknown): unknown {
    const error = this.#told(found);
    const code = error instanceof MillraceError ? error.code : null;
    const fenced = code === "PRODUCER_FENCED";
    const timedOut = error !== found;
    this.#failure ??= asError(error);
    this.#sequencesKnown &&= code !== null && cleanFailures.has(code);
    if (fenced || timedOut || (this.#transactionalId === null && !this.#sequencesKnown)) {
      this.#failure = asError(error);
      this.#state = "broken";
    } else if (this.#state === "open") {
      this.#state = "failed";
    } else if (this.#state === "idle") {
      this.#failure = null;
    }
    return error;
  }

  /**
   * The coordinator ends a transaction that has lasted too long by fencing its producer: after a
   * broker that was away nobody has taken over. Without an id there is no transaction to end.
   */
  #told(error: unknown): unknown {
    if (this.#transactionalId === null) return error;
    const lastedMs = performance.now() - this.#begunAt;
    const isFence = error instanceof MillraceError && error.code === "PRODUCER_FENCED";
    if (!isFence || lastedMs < this.#timeoutMs) return error;
    const reason = `it was open for ${Math.round(lastedMs)} ms, longer than it may be`;
    const context = { transactionalId: this.#transactionalId, reason };
    return new MillraceError("TRANSACTION_OUTCOME_UNKNOWN", context, { cause: error });
  }

  #error(
    code: number,
    request: string,
    context: Readonly<Record<string, string | number>>,
  ): MillraceError {
    return kafkaError(code, request, { transactionalId: this.#transactionalId, ...context });
  }

  #transactional(action: string): TransactionClient {
    if (this.#transaction === null) {
      throw this.#stateError(action, "it has no transactional id");
    }
    return this.#transaction;
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

function unknownPartition({ topic, partition }: TopicPartition): ProduceAnswer {
  return { topic, partition, error: kafkaCode.unknownTopicOrPartition, baseOffset: -1 };
}

function errorOf({ error }: { readonly error: number }): number {
  return error;
}

function ignore(): void {}
