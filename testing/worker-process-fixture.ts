import { openKafkaBroker } from "../broker/kafka/kafka-broker.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { executeAir, registerAir } from "./air-input-fixture.ts";
import { air } from "./schedule-fixture.ts";

/*
 * A process that runs a worker of the air plan until everything before a time is processed in all
 * processes. It tells its parent how it goes on, and dies with it.
 */

/** What the parent says at the start. */
export interface WorkerProcessOptions {
  readonly brokers: readonly string[];
  readonly instanceId: string;
  readonly to: number;
  readonly sessionTimeoutMs: number;
}

export type WorkerProcessMessage =
  | { readonly kind: "commit" | "idle"; readonly tasks: number }
  | { readonly kind: "finished" };

const [, , json = "{}"] = process.argv;
const { brokers, instanceId, to, sessionTimeoutMs } = JSON.parse(json) as WorkerProcessOptions;
const tell = (message: WorkerProcessMessage) => void process.send?.(message);
process.once("disconnect", () => process.exit(1));

const broker = await openKafkaBroker({ brokers, clientId: instanceId });
const registry = createMemoryRegistry();
await registerAir(broker, registry);
const worker: Worker = await Worker.start({
  plan: air,
  broker,
  registry,
  mode: { kind: "replay" },
  instanceId,
  sessionTimeoutMs,
  commitIntervalMs: 5,
  execute: async (_, work) => executeAir(work),
  onCommit: () => tell({ kind: "commit", tasks: worker.tasks.length }),
});
await worker.run(new AbortController().signal, () => {
  tell({ kind: "idle", tasks: worker.tasks.length });
  return worker.finished(to);
});
await worker.close();
await broker.close();
process.send?.({ kind: "finished" }, () => process.exit(0));
