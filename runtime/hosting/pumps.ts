import type { Plan } from "../../schemas/plan.ts";
import type { Sink } from "../../sinks/sink.ts";
import { liveMostAheadMs } from "../engine/live/source-decisions.ts";
import type { Mode } from "../engine/task-factory.ts";
import { offlineEncoders } from "../offline/tables.ts";
import { BlockBudget, blockBudgetBytes } from "../pump/block-budget.ts";
import { offlineSink } from "../pump/offline-sink.ts";
import { onlineSink } from "../pump/online-sink.ts";
import { SharedFetch } from "../pump/shared-fetch.ts";
import { SinkPump } from "../pump/sink-pump.ts";
import { passGap } from "../row-topics/accepted-gaps.ts";
import { pumpGroup } from "../row-topics/row-topics.ts";
import { readTallies } from "../row-topics/tally.ts";
import { allStarted } from "./close-all.ts";
import type { Stack, TopologyStores } from "./stack.ts";

/** Told who waits because of an error, and (null) that it goes on. */
export type OnTrouble = (who: string, error: unknown | null) => void;

/**
 * Age in ms that closes a block. Each costs ClickHouse as much again when it is merged; the online
 * store takes rows as they come, for features are as old as they are late. Who replays waits for
 * the end.
 */
const blockAgeMs = {
  offline: { live: 1_000, replay: 5_000 },
  online: { live: 0, replay: 5_000 },
} as const;

export interface PumpsOptions {
  /** Of the process that they belong to. @default none: a restart waits for its old place */
  readonly instanceId?: string;
  /** @default "replay" */
  readonly mode?: Mode["kind"];
  /** @default false */
  readonly acceptGaps?: boolean;
  /** Least age in ms that closes a block. @default in live mode 1000, online 0; else 5000 */
  readonly blockAgeMs?: number;
}

/** Starts a pump for every topic that has a place in a store, or none where one fails. */
export async function startPumps(
  plan: Plan,
  stack: Pick<Stack, "broker" | "registry"> & Pick<TopologyStores, "online" | "offline">,
  onTrouble: OnTrouble,
  options: PumpsOptions = {},
): Promise<SinkPump[]> {
  const { instanceId, mode = "replay", acceptGaps = false } = options;
  const wanted: { topic: string; sink: Sink; ageMs: number }[] = [];
  for (const { topic, encoder } of offlineEncoders(plan, stack.registry)) {
    const ageMs = blockAgeMs.offline[mode];
    wanted.push({ topic, sink: offlineSink(stack.offline, encoder), ageMs });
  }
  for (const { topic, online } of plan.stored) {
    if (online === null) continue;
    // Replayed rows are old by the clock however new they are.
    const expireAfterMs = mode === "live" ? online.ttlMs + liveMostAheadMs : null;
    const ageMs = blockAgeMs.online[mode];
    wanted.push({ topic, sink: onlineSink(stack.online, online.view, expireAfterMs), ageMs });
  }
  const budget = new BlockBudget(blockBudgetBytes);
  // Who replays has more to read at once than one fetch brings.
  const shared = mode === "live" ? { shared: new SharedFetch(stack.broker) } : {};
  // Each joins a group of its own: all at once, for a broker takes its time to form one.
  return allStarted(
    wanted.map(({ topic, sink, ageMs }) => {
      const partitions = plan.topics.find((each) => each.name === topic)?.partitions ?? 1;
      return SinkPump.start({
        broker: stack.broker,
        topic,
        partitions: Array.from({ length: partitions }, (_, partition) => partition),
        sink,
        group: pumpGroup(plan.name, sink.name, topic),
        budget,
        ...shared,
        maxWaitMs: options.blockAgeMs ?? ageMs,
        purged: () => readTallies(stack.broker, plan.name, topic, partitions),
        accept: (gap) => passGap(stack.broker, plan.name, gap, acceptGaps),
        ...(instanceId === undefined ? {} : { instanceId }),
        onTrouble: (error) => onTrouble(`${sink.name} of ${topic}`, error),
      });
    }),
  );
}
