import { policyOf } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import { outcomesOf, predictionsOf } from "../../schemas/plan-facts.ts";
import type { Mode } from "../engine/task-factory.ts";
import type { SinkPump } from "../pump/sink-pump.ts";
import { RowTopicPurger } from "../row-topics/row-topic-purger.ts";
import { rowTopics } from "../row-topics/row-topics.ts";
import { type OnTrouble, type PumpsOptions, startPumps } from "./pumps.ts";
import type { TopologyStack } from "./stack.ts";

export interface StoringOptions extends Pick<PumpsOptions, "acceptGaps" | "blockAgeMs"> {
  readonly plan: Plan;
  readonly mode: Mode;
  readonly instanceId: string;
  /** Bytes that a partition of a row topic is kept up to. @default 268435456 */
  readonly rowTopicBytes?: number;
}

const defaultRowTopicBytes = 256 * 1024 * 1024;

/** Starts what stores rows and what purges them behind it, each told how it is closed. */
export async function startStoring(
  options: StoringOptions,
  stack: TopologyStack,
  onTrouble: OnTrouble,
  onFailure: (close: () => Promise<void>) => void,
): Promise<{ readonly pumps: readonly SinkPump[]; readonly purger: RowTopicPurger }> {
  const { plan, mode, instanceId } = options;
  const pumping = startPumps(plan, stack, butStops(onTrouble), { ...options, mode: mode.kind });
  const purging = RowTopicPurger.start({
    broker: stack.broker,
    plan: plan.name,
    topics: rowTopics(plan, stack.registry),
    limitBytes: options.rowTopicBytes ?? defaultRowTopicBytes,
    instanceId,
    onTrouble: (topic, error) => onTrouble(`the purge of ${topic}`, error),
  });
  pumping.then(
    (started) => onFailure(() => stopPumps(started)),
    () => {},
  );
  purging.then(
    (purger) => onFailure(() => purger.stop()),
    () => {},
  );
  await Promise.allSettled([pumping, purging]);
  return { pumps: await pumping, purger: await purging };
}

export async function stopPumps(pumps: readonly SinkPump[]): Promise<void> {
  await Promise.all(pumps.map((pump) => pump.stop()));
}

/**
 * Predictions and outcomes committed so far, by whatever process, are stored: those known before a
 * cutoff among them.
 */
export async function storeScored(plan: Plan, pumps: readonly SinkPump[]): Promise<void> {
  const topics = new Set([
    ...predictionsOf(plan).map(({ topic }) => topic),
    ...outcomesOf(plan).map(({ topic }) => topic),
  ]);
  await Promise.all(pumps.filter((pump) => topics.has(pump.topic)).map((pump) => pump.drain()));
}

/** What ends a pump ends the run, which says so: nobody waits for it. */
function butStops(onTrouble: OnTrouble): OnTrouble {
  return (who, error) => {
    if (policyOf(error) !== "stop") onTrouble(who, error);
  };
}
