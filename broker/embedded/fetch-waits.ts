import type { BrokerClock } from "./broker-clock.ts";
import type { PartitionLog } from "./partition-log.ts";

/** Wakes whoever waits for a log to grow, or for transactions to end. */
export class FetchWaits {
  readonly #clock: BrokerClock;
  readonly #byLog = new Map<PartitionLog, Set<() => void>>();
  readonly #forEnd = new Set<() => void>();

  constructor(clock: BrokerClock) {
    this.#clock = clock;
  }

  /** Resolves at the next change of one of the logs, or when the time is over. */
  changeOf(logs: readonly PartitionLog[], maxMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        for (const log of logs) {
          const waiting = this.#byLog.get(log);
          waiting?.delete(done);
          if (waiting?.size === 0) this.#byLog.delete(log);
        }
        resolve();
      };
      const cancel = this.#clock.after(maxMs, done);
      for (const log of logs) {
        const waiting = this.#byLog.get(log);
        if (waiting === undefined) this.#byLog.set(log, new Set([done]));
        else waiting.add(done);
      }
    });
  }

  /** Resolves when some transaction ends. */
  nextEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#forEnd.add(resolve);
    });
  }

  changed(log: PartitionLog): void {
    const waiting = this.#byLog.get(log);
    for (const done of [...(waiting ?? [])]) done();
  }

  transactionEnded(): void {
    const waiting = [...this.#forEnd];
    this.#forEnd.clear();
    for (const resolve of waiting) resolve();
  }

  /** Wakes everybody, for good. */
  wakeAll(): void {
    for (const waiting of [...this.#byLog.values()]) for (const done of [...waiting]) done();
    this.transactionEnded();
  }
}
