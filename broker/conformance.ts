/**
 * What every adapter of the broker port must do: each sentence of `broker.ts`, as tests. Its
 * rules stand in `conformance/`.
 */
import { test } from "node:test";
import type { Broker } from "./broker.ts";
import { compactionRules } from "./conformance/compaction-conformance.ts";
import { groupRules } from "./conformance/group-conformance.ts";
import { logRules } from "./conformance/log-conformance.ts";
import { offsetRules } from "./conformance/offset-conformance.ts";
import { topicRules } from "./conformance/topic-conformance.ts";
import { fencingRules, transactionRules } from "./conformance/transaction-conformance.ts";
import { patienceMs, World } from "./conformance/world-conformance.ts";

export interface BrokerCapabilities {
  /** Why the suite cannot run here; shown instead of its tests. @default false */
  readonly skip?: false | string;
  /** Whether `cleanup.policy=compact` can be asked to run now. @default none */
  readonly compact?: (broker: Broker, topic: string) => void;
}

interface Opened {
  readonly broker: Broker;
  close(): Promise<void>;
}

/** Registers the rules of the port as tests of `name`; `open` may give a shared, real broker. */
export function brokerConformance(
  name: string,
  open: () => Promise<Opened>,
  capabilities: BrokerCapabilities = {},
): void {
  const { skip = false } = capabilities;
  const rule = (sentence: string, run: (world: World) => Promise<void>): void => {
    test(`${name}: ${sentence}`, { skip, timeout: 4 * patienceMs }, async () => {
      const opened = await open();
      const world = new World(opened.broker);
      try {
        await run(world);
      } finally {
        await world.cleanUp();
        await opened.close();
      }
    });
  };
  topicRules(rule);
  logRules(rule);
  transactionRules(rule);
  fencingRules(rule);
  offsetRules(rule);
  groupRules(rule);
  if (capabilities.compact !== undefined) compactionRules(rule, capabilities.compact);
}
