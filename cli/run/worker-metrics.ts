import { AggregatorRegistry, type Registry } from "prom-client";
import { taskMetricNames } from "../../runtime/hosting/task-metrics.ts";
import type { MetricsReport } from "./worker-messages.ts";

/**
 * The metrics of all processes of a run as those of one: what Millrace counts is added up; what
 * tells of a process itself gets its name as the label `worker`. Metrics of tasks come from the
 * parent alone, which knows the owner of each.
 *
 * @param parent - of the process that serves them.
 * @param workers - worker id → its metrics.
 */
export function mergeMetrics(
  parent: MetricsReport,
  workers: ReadonlyMap<string, MetricsReport>,
): Registry {
  const all = [labelled(parent, "parent")];
  for (const [worker, metrics] of workers) {
    const own = metrics.filter(({ name }) => !taskMetricNames.includes(name));
    all.push(labelled(own, worker));
  }
  return AggregatorRegistry.aggregate(all);
}

function labelled(metrics: MetricsReport, worker: string): MetricsReport {
  return metrics.map((metric) => {
    if (metric.name.startsWith("millrace_")) return metric;
    const values = metric.values.map((each) => ({ ...each, labels: { ...each.labels, worker } }));
    return { ...metric, values, aggregator: "first" };
  });
}
