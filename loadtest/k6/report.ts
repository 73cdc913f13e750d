import { type K6Metric, type K6Summary, rounded } from "./verdict.ts";

export interface ReportFacts {
  /** Name of the script without `.js`. */
  readonly script: string;
  readonly command: string;
  /** Commit and machine. */
  readonly circumstances: string;
  /** Load average of the machine at the end, a minute's. */
  readonly loadAverage: number;
  /** Settings given to the script that say what the load was, addresses left out. */
  readonly settings: Readonly<Record<string, string>>;
  readonly summary: K6Summary;
  readonly failures: readonly string[];
  /** Sentences on what else was done and seen. */
  readonly notes: readonly string[];
}

/** A run as a page of loadtest/reports. */
export function reportText(facts: ReportFacts): string {
  const { script, command, circumstances, loadAverage, settings, summary, failures, notes } = facts;
  const given = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return [
    `# k6: ${script}, ${given.join(", ")}`,
    "",
    `Command: \`${command}\``,
    `${circumstances} Load average at the end: ${loadAverage.toFixed(0)}.`,
    "",
    ...notes.flatMap((each) => [each, ""]),
    ...latencies(summary),
    ...tallies(summary),
    ...thresholds(summary),
    failures.length === 0 ? "Every threshold held." : "**It failed:**",
    "",
    ...failures.flatMap((each) => [`- ${each}`]),
    "",
    "What each line means: [load tests](../../docs/load-tests.md).",
    "",
  ].join("\n");
}

function metricsOf(summary: K6Summary, wanted: (metric: K6Metric) => boolean) {
  return Object.entries(summary.metrics)
    .filter(([, metric]) => wanted(metric))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function latencies(summary: K6Summary): string[] {
  const columns = ["p(50)", "p(95)", "p(99)", "max", "count"];
  const rows = metricsOf(summary, ({ type }) => type === "trend").map(
    ([name, { values }]) =>
      `| ${name} | ${columns.map((column) => rounded(values[column])).join(" | ")} |`,
  );
  const head = [
    "| ms | p50 | p95 | p99 | most | measured |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
  ];
  return rows.length === 0 ? [] : [...head, ...rows, ""];
}

function tallies(summary: K6Summary): string[] {
  const rows = metricsOf(summary, ({ type }) => type === "counter" || type === "gauge").map(
    ([name, { values }]) => {
      const rate = values["rate"] === undefined ? "" : rounded(values["rate"]);
      return `| ${name} | ${rounded(values["count"] ?? values["value"])} | ${rate} |`;
    },
  );
  return ["| counted | | a second |", "| --- | ---: | ---: |", ...rows, ""];
}

function thresholds(summary: K6Summary): string[] {
  const rows = metricsOf(summary, (metric) => metric.thresholds !== undefined).flatMap(
    ([name, metric]) =>
      Object.entries(metric.thresholds ?? {}).map(
        ([rule, { ok }]) => `| ${name} ${rule} | ${ok ? "held" : "**failed**"} |`,
      ),
  );
  return ["| threshold | |", "| --- | --- |", ...rows, ""];
}
