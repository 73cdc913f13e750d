import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** What one process measures of itself, in Prometheus terms. One object a process. */
export class Metrics {
  readonly registry = new Registry();
  readonly #commits = this.counter("millrace_commits_total", "Transactions committed.");
  readonly #records = this.counter("millrace_committed_records_total", "Records in them.");
  readonly #bytes = this.counter("millrace_committed_bytes_total", "Bytes in them.");
  readonly #commitSeconds = this.histogram(
    "millrace_commit_seconds",
    "Time a commit takes, from collecting to done.",
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  );

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  committed(commit: { records: number; bytes: number; durationMs: number }): void {
    this.#commits.inc();
    this.#records.inc(commit.records);
    this.#bytes.inc(commit.bytes);
    this.#commitSeconds.observe(commit.durationMs / 1000);
  }

  counter<Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  /** @param buckets - upper bounds, in the unit of the name. */
  histogram(name: string, help: string, buckets: readonly number[]): Histogram {
    return new Histogram({ name, help, buckets: [...buckets], registers: [this.registry] });
  }

  /** A gauge whose values are asked for at each scrape; those of the last one are forgotten. */
  gauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    collect: (set: (labels: Record<string, string>, value: number) => void) => void,
  ): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      collect() {
        this.reset();
        collect((labels, value) => {
          if (Number.isFinite(value)) this.set(labels, value);
        });
      },
    });
  }

  /** {@link gauge} for values that take a request to find out. */
  asyncGauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    collect: (set: (labels: Record<string, string>, value: number) => void) => Promise<void>,
  ): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      async collect() {
        const found: { labels: Record<string, string>; value: number }[] = [];
        await collect((labels, value) => void found.push({ labels, value }));
        // All in one turn: of two scrapes at a time neither sees half of the other's.
        this.reset();
        for (const { labels, value } of found) this.set(labels, value);
      },
    });
  }
}
