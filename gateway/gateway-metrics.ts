import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

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
    help: "Requests that were refused or failed, by the code that they were told.",
    labelNames: ["code"],
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

  refused(code: string): void {
    this.#errors.inc({ code });
  }
}
