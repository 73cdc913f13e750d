import { mkdir } from "node:fs/promises";
import type { Broker, Producer, ProducerOptions } from "../broker/broker.ts";
import { openKafkaBroker } from "../broker/kafka/kafka-broker.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { instanceOf, memberOf } from "../runtime/hosting/member.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { MillraceError } from "../schemas/errors.ts";
import { executeAir, registerAir } from "./air-input-fixture.ts";
import { air } from "./schedule-fixture.ts";
import { withMethods } from "./with-methods-fixture.ts";

/*
 * A process that runs a worker of the air plan until everything before a time is processed in all
 * processes. It tells its parent how it goes on, and dies with it.
 */

/** What the parent says at the start. */
export interface WorkerProcessOptions {
  readonly brokers: readonly string[];
  /** Data directory of its own, whose name in the group it bears. */
  readonly data: string;
  readonly to: number;
  readonly sessionTimeoutMs: number;
}

export type WorkerProcessMessage =
  | { readonly kind: "commit" | "idle"; readonly tasks: number }
  | { readonly kind: "fenced" }
  | { readonly kind: "finished" };

const [, , json = "{}"] = process.argv;
const { brokers, data, to, sessionTimeoutMs } = JSON.parse(json) as WorkerProcessOptions;
const tell = (message: WorkerProcessMessage) => void process.send?.(message);
process.once("disconnect", () => process.exit(1));

await mkdir(data, { recursive: true });
const instanceId = instanceOf(await memberOf(data), "0");
const broker = await openKafkaBroker({ brokers, clientId: instanceId });
const registry = createMemoryRegistry();
await registerAir(broker, registry);
const worker: Worker = await Worker.start({
  plan: air,
  broker: withMethods<Broker>(broker, { producer: async (options) => watched(options) }),
  registry,
  mode: { kind: "replay" },
  instanceId,
  sessionTimeoutMs,
  commitIntervalMs: 5,
  execute: async (_, work) => executeAir(work),
  onCommit: () => tell({ kind: "commit", tasks: worker.tasks.length }),
});

/** Its commits say whether somebody else took its transactional id. */
async function watched(options: ProducerOptions): Promise<Producer> {
  const producer = await broker.producer(options);
  const commit = () =>
    producer.commit().catch((error: unknown) => {
      const isFence = error instanceof MillraceError && error.code === "PRODUCER_FENCED";
      if (isFence) tell({ kind: "fenced" });
      throw error;
    });
  return withMethods<Producer>(producer, { commit });
}

await worker.run(new AbortController().signal, () => {
  tell({ kind: "idle", tasks: worker.tasks.length });
  return worker.finished(to);
});
await worker.close();
await broker.close();
process.send?.({ kind: "finished" }, () => process.exit(0));
