import { setTimeout as wait } from "node:timers/promises";
import type { Broker, PartitionOffset } from "../../broker/broker.ts";
import type { Metrics } from "../metrics/metrics.ts";

/** Where a reader stands in one partition of its topic. */
export interface ReaderPosition extends PartitionOffset {
  /** `source` for a task that reads a source, else the sink of a pump: `offline` or `online`. */
  readonly reader: string;
}

interface Lag extends ReaderPosition {
  /** Offsets up to the stable end, markers among them. */
  readonly lag: number;
}

/** How long a scrape waits for the ends of the partitions; without them it shows no lag, ms. */
const limitMs = 1_000;

/** How much each source task and each pump of this process has yet to read, at each scrape. */
export function measureLag(
  metrics: Metrics,
  broker: Pick<Broker, "listOffsets">,
  positions: () => readonly ReaderPosition[],
): void {
  let looking: Promise<readonly Lag[]> | null = null;
  const lags = (): Promise<readonly Lag[]> => {
    // One request for both series, and none beside one that the broker has not answered.
    looking ??= look(broker, positions()).finally(() => {
      looking = null;
    });
    return within(looking);
  };
  metrics.asyncGauge(
    "millrace_lag",
    "Offsets between what a reader has taken and the end of its partition.",
    ["reader", "topic", "partition"],
    async (set) => {
      for (const { reader, topic, partition, lag } of await lags()) {
        set({ reader, topic, partition: String(partition) }, lag);
      }
    },
  );
  metrics.asyncGauge(
    "millrace_sink_lag",
    "Offsets between what a sink has stored and the end of its topic.",
    ["topic", "sink"],
    async (set) => {
      const sums = new Map<string, { topic: string; sink: string; sum: number }>();
      for (const { reader: sink, topic, lag } of await lags()) {
        if (sink === "source") continue;
        const before = sums.get(`${sink}/${topic}`)?.sum ?? 0;
        sums.set(`${sink}/${topic}`, { topic, sink, sum: before + lag });
      }
      for (const { sum, ...labels } of sums.values()) set(labels, sum);
    },
  );
}

async function look(
  broker: Pick<Broker, "listOffsets">,
  positions: readonly ReaderPosition[],
): Promise<readonly Lag[]> {
  if (positions.length === 0) return [];
  const ends = await broker.listOffsets(
    positions.map(({ topic, partition }) => ({ topic, partition, at: "stable" as const })),
  );
  return positions.map((each, index) => {
    return { ...each, lag: Math.max(0, (ends[index] ?? 0) - each.offset) };
  });
}

/** Nothing when it fails or takes too long: the other series are worth having without it. */
async function within(looking: Promise<readonly Lag[]>): Promise<readonly Lag[]> {
  const done = new AbortController();
  const late = wait(limitMs, [], { signal: done.signal }).catch(() => []);
  try {
    return await Promise.race([looking.catch(() => []), late]);
  } finally {
    done.abort();
  }
}
