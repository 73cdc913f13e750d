import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type BusyPolicy, busyPolicies } from "../runtime/predict/micro-batcher.ts";
import { type Lane, lanes } from "../runtime/predict/row-queue.ts";
import {
  type SnapshotResult,
  type SnapshotsTold,
  snapshotResults,
} from "../runtime/tracking/snapshot/known-snapshots.ts";

/** What a gateway measures of itself, in Prometheus terms. */
export class GatewayMetrics {
  readonly registry = new Registry();
  readonly #requests = new Counter({
    name: "millrace_gateway_requests_total",
    help: "Requests that were answered.",
    labelNames: ["door", "status"],
    registers: [this.registry],
  });
  readonly #seconds = new Histogram({
    name: "millrace_gateway_request_seconds",
    help: "Time from the head of a request to the end of its answer.",
    labelNames: ["door"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.registry],
  });
  readonly #errors = new Counter({
    name: "millrace_gateway_errors_total",
    help: "Requests, and records of requests, that were refused or failed, by the code told.",
    labelNames: ["code"],
    registers: [this.registry],
  });
  readonly #predictions = new Counter({
    name: "millrace_gateway_predictions_total",
    help: "Predictions that were answered, by the version that did, or by why the fallback did.",
    labelNames: ["step", "version", "fallback_reason"],
    registers: [this.registry],
  });
  readonly #batchRows = new Histogram({
    name: "millrace_gateway_batch_rows",
    help: "Rows that went to a model together.",
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers: [this.registry],
  });
  readonly #shed = new Counter({
    name: "millrace_gateway_rows_shed_total",
    help: "Rows that there was no room for: refused, dropped for newer ones, or answered by the fallback.",
    labelNames: ["policy"],
    registers: [this.registry],
  });
  readonly #abandoned = new Counter({
    name: "millrace_gateway_rows_abandoned_total",
    help: "Rows that nobody waited for any more before they had an answer.",
    registers: [this.registry],
  });
  readonly #hung = new Counter({
    name: "millrace_gateway_hung_runs_total",
    help: "Runs of models that were ended, as they took longer than they may.",
    registers: [this.registry],
  });
  readonly #shadows = new Counter({
    name: "millrace_gateway_shadow_rows_total",
    help: "Rows of predictions that a shadow was to score beside, by what became of them.",
    labelNames: ["step", "version", "result"],
    registers: [this.registry],
  });
  readonly #snapshots = new Counter({
    name: "millrace_gateway_tracking_snapshots_total",
    help: "Snapshots of the tracking log that were written here, could not be, or could not be read.",
    labelNames: ["result"],
    registers: [this.registry],
  });
  /** Requests under way. */
  readonly underWay = new Gauge({
    name: "millrace_gateway_requests_under_way",
    help: "Requests that are being answered.",
    registers: [this.registry],
  });

  /** @param ofProcess - whether nobody else tells what the process takes. */
  constructor(ofProcess: boolean) {
    // An alert on a rate needs the series before the first one is refused.
    for (const code of ["GATEWAY_BUSY", "REQUEST_TIMEOUT"]) this.#errors.inc({ code }, 0);
    for (const policy of busyPolicies) this.#shed.inc({ policy }, 0);
    for (const result of snapshotResults) this.#snapshots.inc({ result }, 0);
    if (ofProcess) collectDefaultMetrics({ register: this.registry });
  }

  /**
   * @param door - its path as a template, so that there are as many series as doors.
   * @param status - of HTTP, or the name of gRPC's.
   */
  answered(door: string, status: number | string, ms: number): void {
    this.#requests.inc({ door, status });
    this.#seconds.observe({ door }, ms / 1_000);
  }

  /** @param version - null: the fallback answered, for the reason. */
  predicted(
    step: string,
    answer: { readonly version: string | null; readonly fallbackReason: string | null },
  ): void {
    const { version, fallbackReason: reason } = answer;
    this.#predictions.inc({ step, version: version ?? "", fallback_reason: reason ?? "" });
  }

  /** Tells of what waits for its model. */
  watchWaiting(rows: (lane: Lane) => number, bytes: () => number): void {
    const waiting = new Gauge({
      name: "millrace_gateway_rows_waiting",
      help: "Rows that wait for their model, by lane.",
      labelNames: ["lane"],
      registers: [this.registry],
      collect: (): void => {
        for (const lane of lanes) waiting.set({ lane }, rows(lane));
      },
    });
    const size: Gauge = new Gauge({
      name: "millrace_gateway_waiting_bytes",
      help: "Bytes of the vectors that wait for their models.",
      registers: [this.registry],
      collect: (): void => size.set(bytes()),
    });
  }

  /** Tells of the newest snapshots of tracking logs, and of what is behind them. */
  watchSnapshots(logs: () => readonly SnapshotsTold[]): void {
    const watch = (
      name: string,
      help: string,
      read: (log: SnapshotsTold) => number | undefined,
    ) => {
      const gauge: Gauge<"topic"> = new Gauge({
        ...{ name: `millrace_gateway_tracking_${name}`, help, labelNames: ["topic"] as const },
        registers: [this.registry],
        collect: (): void => {
          gauge.reset();
          for (const log of logs()) {
            const value = read(log);
            if (value !== undefined) gauge.set({ topic: log.topic }, value);
          }
        },
      });
    };
    watch(
      "snapshot_offset",
      "Offset of the tracking log below which its newest snapshot covers all.",
      ({ newest }) => newest?.covers,
    );
    watch(
      "snapshot_time_seconds",
      "When the newest snapshot of the tracking log was written, Unix time.",
      ({ newest }) => (newest === null ? undefined : newest.at / 1_000),
    );
    watch(
      "snapshot_bytes",
      "Bytes of the newest snapshot of the tracking log, unpacked.",
      ({ newest }) => newest?.stateBytes,
    );
    watch(
      "behind_bytes",
      "Bytes of commands that the newest snapshot of the tracking log does not cover.",
      ({ bytesBehind }) => bytesBehind,
    );
  }

  /** A snapshot of a tracking log was to be written or read. */
  snapshotted(result: SnapshotResult): void {
    this.#snapshots.inc({ result });
  }

  /** Rows went to their model together. */
  batched(rows: number): void {
    this.#batchRows.observe(rows);
  }

  /** There was no room for rows. */
  shed(policy: BusyPolicy, rows: number): void {
    this.#shed.inc({ policy }, rows);
  }

  /** Nobody waited for rows any more. */
  abandoned(rows: number): void {
    this.#abandoned.inc(rows);
  }

  /** A run of a model was ended. */
  hung(): void {
    this.#hung.inc();
  }

  /** @param result - of rows of a shadow: scored, failed, late, dropped or aside. */
  shadowed(step: string, version: string, result: string, rows: number): void {
    this.#shadows.inc({ step, version, result }, rows);
  }

  refused(code: string): void {
    this.#errors.inc({ code });
  }
}
