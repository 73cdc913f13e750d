import { MillraceError } from "../../schemas/errors.ts";
import type { OffsetToCommit } from "../broker.ts";
import type { BrokerClock } from "./broker-clock.ts";
import type { BrokerEntry, BrokerState, ProducerEpoch, TransactionPart } from "./broker-state.ts";
import type { PartitionLog } from "./partition-log.ts";
import type { StoragePoint } from "./storage.ts";

/** Epochs are 16-bit: beyond this a transactional id gets another producer id. */
const maxEpoch = 32_766;
/** Producer ids are written down so many at once. */
const producerIdBlock = 1000;

/** A transaction that has written something. */
export interface Transaction extends ProducerEpoch {
  /** Logs written to and the number of their topic. */
  readonly logs: Map<PartitionLog, number>;
  readonly offsets: Map<string, OffsetToCommit[]>;
  /** Calls off the time-out. */
  stopTimer: () => void;
}

export interface TransactionWiring {
  readonly state: BrokerState;
  readonly clock: BrokerClock;
  /** Writes an entry down and applies it, or throws and changes nothing. */
  readonly record: (point: StoragePoint, entry: BrokerEntry) => void;
  /** A decided transaction could not be finished: writing stops. */
  readonly fail: () => void;
  /** Flushes what a transaction wrote, where commits are flushed. */
  readonly flush: (logs: Iterable<PartitionLog>) => void;
  /** Called when a transaction has ended: offsets may be stable now. */
  readonly onEnd: (logs: readonly PartitionLog[]) => void;
}

/**
 * Decides transactions. A commit is one entry in the journal: it holds the offsets, and where the
 * markers go, which are written behind it. Undecided means aborted.
 */
export class TransactionCoordinator {
  readonly #wiring: TransactionWiring;
  readonly #open = new Map<number, Transaction>();
  #nextProducerId: number;

  constructor(wiring: TransactionWiring) {
    this.#wiring = wiring;
    this.#nextProducerId = wiring.state.producerIdLimit;
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** A producer id for a writer without transactions. */
  idempotentProducer(): ProducerEpoch {
    if (this.#nextProducerId >= this.#wiring.state.producerIdLimit) {
      const producerId = this.#nextProducerId + producerIdBlock;
      this.#wiring.record("journal-write", { kind: "numbers", producerId, topic: 0 });
    }
    return { producerId: this.#nextProducerId++, epoch: 0 };
  }

  /**
   * Begins a new epoch of a transactional id; ends what the one before has left open. In this
   * order: a producer whose transaction was ended by another must be fenced.
   */
  initialise(transactionalId: string): ProducerEpoch {
    const previous = this.#wiring.state.producers.get(transactionalId);
    const next =
      previous === undefined || previous.epoch >= maxEpoch
        ? this.idempotentProducer()
        : { producerId: previous.producerId, epoch: previous.epoch + 1 };
    this.#wiring.record("journal-write", { kind: "producer", transactionalId, ...next });
    const open = previous === undefined ? undefined : this.#open.get(previous.producerId);
    if (open !== undefined) this.abort(open);
    return next;
  }

  /** @throws {MillraceError} PRODUCER_FENCED. */
  checkEpoch(transactionalId: string, { producerId, epoch }: ProducerEpoch): void {
    const current = this.#wiring.state.producers.get(transactionalId);
    if (current?.producerId === producerId && current.epoch === epoch) return;
    throw new MillraceError("PRODUCER_FENCED", { transactionalId });
  }

  /** The open transaction of a producer, begun now if it has none. */
  transaction(transactionalId: string, producer: ProducerEpoch, timeoutMs: number): Transaction {
    const open = this.#open.get(producer.producerId);
    if (open !== undefined) return open;
    const begun: Transaction = {
      ...producer,
      logs: new Map(),
      offsets: new Map(),
      stopTimer: this.#wiring.clock.afterUnlessDone(timeoutMs, () =>
        this.#timeOut(transactionalId, begun),
      ),
    };
    this.#open.set(producer.producerId, begun);
    return begun;
  }

  find({ producerId }: ProducerEpoch): Transaction | undefined {
    return this.#open.get(producerId);
  }

  /**
   * @throws {MillraceError} STORAGE_FULL, STORAGE_FAILED: before the decision the transaction stays
   * open; behind it TRANSACTION_OUTCOME_UNKNOWN, and opening the log again finishes it.
   */
  commit(transactionalId: string, transaction: Transaction): void {
    const { logs, offsets, producerId } = transaction;
    this.#wiring.flush(logs.keys());
    const parts: TransactionPart[] = [];
    for (const [log, number] of logs) {
      const open = log.openTransactions.get(producerId);
      if (open === undefined) continue;
      parts.push([number, log.partition, open.firstOffset, log.nextOffset]);
    }
    this.#wiring.record("decision-write", {
      kind: "commit",
      producerId,
      parts,
      offsets: Object.fromEntries(offsets),
    });
    try {
      this.#finish("commit", transaction);
    } catch (cause) {
      this.#wiring.fail();
      const reason = cause instanceof Error ? cause.message : String(cause);
      const context = { transactionalId, reason };
      throw new MillraceError("TRANSACTION_OUTCOME_UNKNOWN", context, { cause });
    }
  }

  abort(transaction: Transaction): void {
    this.#finish("abort", transaction);
  }

  /** Whether offsets of a group on these partitions wait for the end of a transaction. */
  isUnstable(group: string, wanted: ReadonlySet<string>): boolean {
    for (const { offsets } of this.#open.values()) {
      for (const each of offsets.get(group) ?? []) {
        if (wanted.has(`${each.topic}/${each.partition}`)) return true;
      }
    }
    return false;
  }

  /** Aborts what is open and fences every producer, as if all of them had timed out. */
  fenceAll(): void {
    for (const transactionalId of [...this.#wiring.state.producers.keys()]) {
      this.initialise(transactionalId);
    }
  }

  /** Offsets of a topic that is deleted are not committed any more. */
  forgetTopic(name: string): void {
    for (const { offsets } of this.#open.values()) {
      for (const [group, list] of offsets) {
        offsets.set(
          group,
          list.filter((each) => each.topic !== name),
        );
      }
    }
  }

  /** Stops the clocks; what is open stays so until the log is opened again. */
  close(): void {
    for (const { stopTimer } of this.#open.values()) stopTimer();
  }

  #finish(kind: "commit" | "abort", transaction: Transaction): void {
    const { logs, producerId } = transaction;
    const now = this.#wiring.clock.now();
    for (const log of logs.keys()) log.end(kind, producerId, now);
    this.#open.delete(producerId);
    transaction.stopTimer();
    this.#wiring.onEnd([...logs.keys()]);
  }

  /** A transaction that takes too long is aborted, and its producer fenced. */
  #timeOut(transactionalId: string, transaction: Transaction): void {
    if (this.#open.get(transaction.producerId) !== transaction) return;
    try {
      this.initialise(transactionalId);
    } catch {
      // The storage does not take it; whoever opens the log again aborts the transaction.
    }
  }
}
