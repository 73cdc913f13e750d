import { MillraceError } from "../../schemas/errors.ts";
import type {
  MemberIdentity,
  OffsetToCommit,
  Producer,
  ProducerBatch,
  RecordBatch,
} from "../broker.ts";
import { finishBatch } from "../record-batch/builder.ts";
import type { ProducerEpoch } from "./broker-state.ts";
import type { PartitionLog } from "./partition-log.ts";
import { sequenceAfter } from "./producer-sequences.ts";
import type { Transaction, TransactionCoordinator } from "./transaction-coordinator.ts";

/** A log and what the broker must know about it to take a batch. */
export interface WritableLog {
  readonly log: PartitionLog;
  readonly topicNumber: number;
  readonly maxBatchBytes: number;
}

export interface ProducerWiring {
  readonly coordinator: TransactionCoordinator;
  /** @throws {MillraceError} BROKER_CLOSED, DATA_READ_ONLY, STORAGE_FULL. */
  readonly checkWritable: (request: string) => void;
  /** @throws {MillraceError} TOPIC_UNKNOWN. */
  readonly logOf: (topic: string, partition: number) => WritableLog;
  readonly checkOffsets: (
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ) => void;
  /** Called after records were appended outside of transactions. */
  readonly onSent: (logs: readonly PartitionLog[]) => void;
  readonly onClose: (producerId: number) => void;
}

type Phase = "idle" | "open" | "must-abort" | "unknown" | "closed";

/** A writer to the embedded log. A call is done when it returns; the promises are the port's. */
export class EmbeddedProducer implements Producer {
  readonly #id: string | null;
  readonly #epoch: ProducerEpoch;
  readonly #timeoutMs: number;
  readonly #wiring: ProducerWiring;
  readonly #sequences = new Map<PartitionLog, number>();
  /** Appended by a send that failed with another: sent again they are not appended twice. */
  #stamped = new WeakMap<RecordBatch, { log: PartitionLog; sequence: number }>();
  #phase: Phase = "idle";

  constructor(
    transactionalId: string | null,
    epoch: ProducerEpoch,
    timeoutMs: number,
    wiring: ProducerWiring,
  ) {
    this.#id = transactionalId;
    this.#epoch = epoch;
    this.#timeoutMs = timeoutMs;
    this.#wiring = wiring;
  }

  get producerId(): number {
    return this.#epoch.producerId;
  }

  get epoch(): number {
    return this.#epoch.epoch;
  }

  begin(): void {
    const id = this.#transactional("begin");
    if (this.#phase !== "idle") this.#refuse("begin");
    this.#wiring.coordinator.checkEpoch(id, this.#epoch);
    this.#phase = "open";
    this.#stamped = new WeakMap();
  }

  async send(batches: readonly ProducerBatch[]): Promise<number[]> {
    this.#wiring.checkWritable("send");
    if (this.#id !== null) this.#checkOpen("send");
    else if (this.#phase === "closed") this.#refuse("send");
    try {
      const targets = batches.map((each) => this.#target(each));
      if (new Set(targets.map(({ log }) => log)).size < targets.length) {
        throw new RangeError("a send holds at most one batch for each partition");
      }
      const transaction = targets.length > 0 ? this.#transaction() : null;
      const offsets = targets.map((target, index) =>
        this.#append(target, (batches[index] as ProducerBatch).batch, transaction),
      );
      if (transaction === null) this.#wiring.onSent(targets.map(({ log }) => log));
      for (const { batch } of batches) this.#stamped.delete(batch);
      return offsets;
    } catch (error) {
      if (this.#phase === "open") this.#phase = "must-abort";
      throw error;
    }
  }

  async sendOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void> {
    this.#wiring.checkWritable("sendOffsets");
    this.#transactional("send offsets");
    this.#checkOpen("send offsets");
    try {
      this.#wiring.checkOffsets(group, offsets, member);
    } catch (error) {
      this.#phase = "must-abort";
      throw error;
    }
    if (offsets.length === 0) return;
    const transaction = this.#transaction();
    if (transaction === null) return;
    transaction.offsets.set(group, [...(transaction.offsets.get(group) ?? []), ...offsets]);
  }

  async commit(): Promise<void> {
    this.#wiring.checkWritable("commit");
    const id = this.#transactional("commit");
    this.#checkOpen("commit");
    const transaction = this.#wiring.coordinator.find(this.#epoch);
    this.#phase = "unknown";
    if (transaction !== undefined) this.#wiring.coordinator.commit(id, transaction);
    this.#phase = "idle";
  }

  async abort(): Promise<void> {
    this.#wiring.checkWritable("abort");
    const id = this.#transactional("abort");
    if (this.#phase !== "open" && this.#phase !== "must-abort") this.#refuse("abort");
    this.#wiring.coordinator.checkEpoch(id, this.#epoch);
    const transaction = this.#wiring.coordinator.find(this.#epoch);
    this.#phase = "unknown";
    if (transaction !== undefined) this.#wiring.coordinator.abort(transaction);
    this.#phase = "idle";
  }

  async close(): Promise<void> {
    if (this.#phase === "closed") return;
    const open = this.#phase === "open" || this.#phase === "must-abort";
    this.#phase = "closed";
    if (open && this.#id !== null) {
      try {
        this.#wiring.checkWritable("abort");
        this.#wiring.coordinator.checkEpoch(this.#id, this.#epoch);
        const transaction = this.#wiring.coordinator.find(this.#epoch);
        if (transaction !== undefined) this.#wiring.coordinator.abort(transaction);
      } catch (error) {
        // Fenced or gone: whoever comes next ends the transaction.
        if (!(error instanceof MillraceError)) throw error;
      }
    }
    this.#wiring.onClose(this.producerId);
  }

  #target({ topic, partition, batch }: ProducerBatch): WritableLog {
    const target = this.#wiring.logOf(topic, partition);
    const sizeBytes = batch.encoded.length;
    if (sizeBytes > target.maxBatchBytes) {
      throw new MillraceError("RECORD_TOO_LARGE", { topic, partition, sizeBytes });
    }
    return target;
  }

  #append(
    { log, topicNumber }: WritableLog,
    batch: RecordBatch,
    transaction: Transaction | null,
  ): number {
    const { producerId, epoch } = this.#epoch;
    const earlier = this.#stamped.get(batch);
    const sequence = earlier?.log === log ? earlier.sequence : (this.#sequences.get(log) ?? 0);
    const known = log.sequences.check(log, producerId, epoch, sequence);
    if (known !== null) return known;
    const transactional = transaction !== null;
    finishBatch(batch.encoded, { producerId, epoch, sequence, transactional });
    const offset = log.append(batch.encoded, batch.count, transaction);
    this.#stamped.set(batch, { log, sequence });
    transaction?.logs.set(log, topicNumber);
    log.sequences.taken(producerId, epoch, sequence, batch.count, offset);
    this.#sequences.set(log, sequenceAfter(sequence, batch.count));
    return offset;
  }

  #transaction(): Transaction | null {
    if (this.#id === null) return null;
    return this.#wiring.coordinator.transaction(this.#id, this.#epoch, this.#timeoutMs);
  }

  #transactional(action: string): string {
    if (this.#id !== null) return this.#id;
    const reason = "it was made without a transactional id";
    throw new MillraceError("TRANSACTION_STATE", { transactionalId: "(none)", action, reason });
  }

  /** @throws {MillraceError} PRODUCER_FENCED, TRANSACTION_STATE, TRANSACTION_OUTCOME_UNKNOWN. */
  #checkOpen(action: string): void {
    if (this.#id !== null && this.#phase !== "closed") {
      this.#wiring.coordinator.checkEpoch(this.#id, this.#epoch);
    }
    if (this.#phase !== "open") this.#refuse(action);
  }

  #refuse(action: string): never {
    const transactionalId = this.#id ?? "(none)";
    if (this.#phase === "unknown") {
      const reason = "the last commit or abort failed";
      throw new MillraceError("TRANSACTION_OUTCOME_UNKNOWN", { transactionalId, reason });
    }
    const reasons: Record<Exclude<Phase, "unknown">, string> = {
      idle: "no transaction is open",
      open: "a transaction is open",
      "must-abort": "a step of the transaction failed, so it can only be aborted",
      closed: "it is closed",
    };
    throw new MillraceError("TRANSACTION_STATE", {
      transactionalId,
      action,
      reason: reasons[this.#phase],
    });
  }
}
