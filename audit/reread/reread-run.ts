import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Broker, PartitionOffset } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { openOverlayBroker } from "../../broker/overlay/overlay-broker.ts";
import { branchAccounts, recordsIn } from "../../runtime/engine/accounting.ts";
import { planAsRead } from "../../runtime/engine/plan-on-sources.ts";
import { Worker } from "../../runtime/engine/worker.ts";
import { type Stack, storesOf } from "../../runtime/hosting/stack.ts";
import { ModelTail } from "../../runtime/services/models/model-tail.ts";
import { openServices } from "../../runtime/services/registry.ts";
import { openArtifactStore } from "../../runtime/services/train/artifacts.ts";
import { type Plan, type TopicSpec, topologyOf } from "../../schemas/plan.ts";
import { compareTopics, type TopicComparison } from "./compare-topics.ts";
import { lateBeginnings } from "./source-beginnings.ts";

export interface RereadOptions {
  readonly plan: Plan;
  readonly stack: Stack;
  /** Whether the run was live: then its decisions are repeated. */
  readonly live: boolean;
  /** Whether the run came to its end. */
  readonly ended: boolean;
  /** Held by this process: a folder in it takes what is computed, and is removed afterwards. */
  readonly directory: string;
  /** A run of a model that may take any time is ended after so long, ms. @default by deadlines */
  readonly scoringRunMs?: number;
  /** Told twice a second, while it computes, how far that is. @default nobody */
  readonly onLook?: (look: RereadLook) => void;
  /** Told which topic is compared next and what share of them is done. @default nobody */
  readonly onStep?: (share: number, what: string) => void;
  /** @default never */
  readonly signal?: AbortSignal;
}

export interface RereadLook {
  /** Event time that all tasks have reached, UTC ms; −Infinity before the first record. */
  readonly eventTime: number;
  /** Source records read so far. */
  readonly records: number;
}

export interface RereadReport {
  readonly topics: readonly TopicComparison[];
  /** Where sources begin that have lost their first records: none of these was read again. */
  readonly begins: readonly PartitionOffset[];
  /** Time that the computing took, ms. */
  readonly elapsedMs: number;
}

const prefix = "reread-";
/** Time between two looks, ms. */
const lookEveryMs = 500;

/** What the run was given or decided by the clock: this is read again. */
const inputs: ReadonlySet<TopicSpec["role"]> = new Set(["source", "watermarks", "decisions"]);

/**
 * Computes a run anew from its source topics, watermarks and decisions, on an empty log, and
 * compares what it writes with what the run has written, byte for byte but for measured times. The
 * run's own topics, groups and stores are left as they are. A replay trains its models anew, from
 * the run's offline store; a live run's trainings are decisions.
 */
export async function rereadRun(given: RereadOptions): Promise<RereadReport> {
  const { stack, directory } = given;
  const plan = await planAsRead(stack.broker, given.plan);
  const options = { ...given, plan };
  await removeLeftovers(directory);
  const folder = await mkdtemp(join(directory, prefix));
  const fresh = await openEmbeddedBroker({ directory: join(folder, "log") });
  try {
    const topics = plan.topics.filter(({ role }) => inputs.has(role)).map(({ name }) => name);
    const broker = await openOverlayBroker(stack.broker, fresh, topics);
    const started = performance.now();
    await compute(options, broker, folder);
    const elapsedMs = performance.now() - started;
    const compared = await compareTopics({
      plan,
      registry: stack.registry,
      run: stack.broker,
      reread: fresh,
      ended: options.ended,
      onStep: (share, what) => {
        options.signal?.throwIfAborted();
        options.onStep?.(share, what);
      },
    });
    return { topics: compared, begins: await lateBeginnings(stack.broker, plan), elapsedMs };
  } finally {
    await fresh.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of a re-reading that was killed. */
async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(prefix)) await rm(join(directory, name), { recursive: true, force: true });
  }
}

/** Runs the plan until nothing is left to do. */
async function compute(options: RereadOptions, broker: Broker, folder: string): Promise<void> {
  const { plan, live, scoringRunMs, onLook, signal = new AbortController().signal } = options;
  const stack = storesOf(options.stack, topologyOf(plan));
  // Models of the run are read where it keeps them; those that are trained anew stay here.
  const shared = {
    where: stack.artifacts.directory,
    read: (sha256: string) => stack.artifacts.get(sha256),
    write: async () => {},
  };
  const artifacts = openArtifactStore(join(folder, "models"), { shared, retryAfterMs: [] });
  const { offline } = stack;
  // A replay is scored by whom the register names; a live run by what its decisions say of that.
  const named = plan.topics.find(({ role }) => role === "model-register")?.name;
  const register = named === undefined ? {} : { register: new ModelTail(stack.broker, named) };
  const whenStored = async () => {};
  const stores = { artifacts, ...register, offline, whenStored };
  const limit = scoringRunMs === undefined ? {} : { scoringRunMs };
  const services = openServices({ plan, ...stores, ...limit, wasLive: live });
  const worker = await Worker.start({
    plan,
    broker,
    registry: stack.registry,
    mode: { kind: "replay", decisions: live ? "all" : "partitions" },
    instanceId: "reread",
    execute: services.execute,
  });
  const looking = setInterval(() => {
    const records = recordsIn(branchAccounts(plan, worker.tasks));
    onLook?.({ eventTime: worker.taskProgress, records });
  }, lookEveryMs);
  try {
    await worker.run(
      signal,
      async (each) => each.finished(Number.NEGATIVE_INFINITY) && (await each.caughtUp()),
    );
    signal.throwIfAborted();
  } finally {
    clearInterval(looking);
    await worker.close();
    await services.close();
  }
}
