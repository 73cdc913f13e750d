import type { Broker } from "../../broker/broker.ts";
import { type Plan, topologyOf } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import { modelRegisterTopic } from "../../topologies/dsl/compile/topics.ts";
import { type BranchAccount, branchAccounts } from "../engine/accounting.ts";
import { allTasks } from "../engine/assignment.ts";
import type { SpillOptions } from "../engine/local-stores.ts";
import { defaultBudgetBytes, defaultSnapshots } from "../engine/merge-task.ts";
import { planOnSources } from "../engine/plan-on-sources.ts";
import { SourceTask } from "../engine/source-task.ts";
import type { Mode, TaskTuning } from "../engine/task-factory.ts";
import { Worker } from "../engine/worker.ts";
import type { WorkerOptions } from "../engine/worker-options.ts";
import { Metrics } from "../metrics/metrics.ts";
import type { SinkPump } from "../pump/sink-pump.ts";
import type { RowTopicPurger } from "../row-topics/row-topic-purger.ts";
import { ModelTail } from "../services/models/model-tail.ts";
import { openServices, type Services } from "../services/registry.ts";
import type { Warn } from "../services/service.ts";
import { migrateOffline } from "./catalog.ts";
import { closeAll } from "./close-all.ts";
import { measureLag, type ReaderPosition } from "./lag-metrics.ts";
import { Outages, type TellOutage } from "./outages.ts";
import type { OnTrouble } from "./pumps.ts";
import type { EndOfRun, RunningPlan, RunStatus, TaskReport } from "./running-plan.ts";
import { SourceWatch } from "./source-watch.ts";
import { type Stack, storesOf } from "./stack.ts";
import { startStoring, stopPumps, storeScored } from "./storing.ts";
import { measureTasks } from "./task-metrics.ts";

export interface ApplicationOptions {
  readonly plan: Plan;
  readonly stack: Stack;
  readonly mode: Mode;
  /** Its own among all that run the plan, on whatever machine, and stable over restarts. */
  readonly instanceId: string;
  /** @default 1 */
  readonly scoringThreads?: number;
  /**
   * A run of a model that may take any time is ended after so long, ms, for tests.
   * @default ten times the longest deadline, 10 s at least in live mode and 60 s in a replay
   */
  readonly scoringRunMs?: number;
  /** @default 100 */
  readonly commitIntervalMs?: number;
  /** Where tasks put what is beyond their share of memory. @default all stays in memory */
  readonly spill?: SpillOptions;
  /** Bytes that a partition of a row topic is kept up to. @default 268435456 */
  readonly rowTopicBytes?: number;
  /** Age in ms that closes a block of rows. @default 1000 in live mode, else 5000 */
  readonly blockAgeMs?: number;
  /** Bytes that the state of one task may have, as it is written. @default 536870912 */
  readonly stateBudgetBytes?: number;
  /** Factors by which source topics are slowed, for tests. @default none */
  readonly slow?: ReadonlyMap<string, number>;
  /**
   * Whether to go on where records are gone that were never read or stored, and to count them.
   * @default false
   */
  readonly acceptGaps?: boolean;
  /** Told what is waited for and when it is there again, once each. @default nobody */
  readonly onOutage?: TellOutage;
  /** Told what a service found that somebody should look at. @default nobody */
  readonly warn?: Warn;
}

/** Time between looks at whether a pump has stopped, in ms. */
const pumpCheckMs = 500;

/**
 * A plan running on a stack in this process: the tasks, the pumps behind them, and the services
 * that do what tasks cannot.
 */
export class Application implements RunningPlan {
  readonly metrics: Metrics;
  readonly plan: Plan;
  /** The only worker of a run is "0". */
  readonly pids: ReadonlyMap<string, number> = new Map([["0", process.pid]]);
  readonly #broker: Broker;
  readonly #worker: Worker;
  readonly #pumps: readonly SinkPump[];
  readonly #purger: RowTopicPurger;
  readonly #services: Services;
  readonly #register: ModelTail;
  readonly #totals: { commits: number; records: number };
  readonly #outages: Outages;
  /** Whether the sources are still those that the tasks read; null before a run. */
  #sources: SourceWatch | null = null;

  private constructor(
    plan: Plan,
    broker: Broker,
    worker: Worker,
    pumps: readonly SinkPump[],
    purger: RowTopicPurger,
    services: Services,
    register: ModelTail,
    metrics: Metrics,
    totals: { commits: number; records: number },
    outages: Outages,
  ) {
    this.plan = plan;
    this.#broker = broker;
    this.#worker = worker;
    this.#pumps = pumps;
    this.#purger = purger;
    this.#services = services;
    this.#register = register;
    this.metrics = metrics;
    this.#totals = totals;
    this.#outages = outages;
  }

  /**
   * Migrates the offline store, restores the tasks and starts the pumps; `run` moves it on. Where
   * something fails, what was started is closed.
   */
  static async start(options: ApplicationOptions): Promise<Application> {
    const closings: (() => Promise<void>)[] = [];
    try {
      return await Application.#start(options, (close) => closings.unshift(close));
    } catch (error) {
      // Why it could not start says more than what then could not be closed.
      await closeAll(closings).catch(() => {});
      throw error;
    }
  }

  static async #start(
    options: ApplicationOptions,
    onFailure: (close: () => Promise<void>) => void,
  ): Promise<Application> {
    const { instanceId } = options;
    const plan = await planOnSources(options.stack.broker, options.plan);
    const stack = storesOf(options.stack, topologyOf(plan));
    await migrateOffline(options.stack, plan);
    const metrics = new Metrics();
    const outages = new Outages(options.onOutage);
    const onTrouble: OnTrouble = (who, error) => outages.note(who, error);
    const totals = { commits: 0, records: 0 };
    let pumps: readonly SinkPump[] = [];
    const register = new ModelTail(stack.broker, modelRegisterTopic(topologyOf(plan)));
    onFailure(() => register.close());
    const services = openServices({
      plan,
      register,
      artifacts: stack.artifacts,
      offline: stack.offline,
      scoringThreads: options.scoringThreads ?? 1,
      ...(options.scoringRunMs === undefined ? {} : { scoringRunMs: options.scoringRunMs }),
      whenStored: () => storeScored(plan, pumps),
      metrics,
      ...(options.warn === undefined ? {} : { warn: options.warn }),
      ...(options.mode.kind === "live" ? { now: Date.now } : {}),
    });
    onFailure(() => services.close());
    const worker = await Worker.start({
      plan,
      broker: stack.broker,
      registry: stack.registry,
      mode: options.mode,
      instanceId,
      commitIntervalMs: options.commitIntervalMs ?? 100,
      acceptGaps: options.acceptGaps ?? false,
      ...(options.slow === undefined ? {} : { slow: options.slow }),
      ...tuningOf(options),
      ...(await placeOf(options.stack, plan)),
      execute: services.execute,
      onTrouble,
      onAhead: ({ waits, ...facts }) =>
        options.warn?.(
          `records lie beyond the clock and ${waits ? "wait for it" : "are refused"}: look at their producers' clocks`,
          facts,
        ),
      onCommit: (commit) => {
        totals.commits++;
        totals.records += commit.records;
        metrics.committed(commit);
      },
    });
    onFailure(() => worker.close());
    if (predictionsOf(plan).length > 0) register.follow(() => worker.tellNews());
    const storing = await startStoring({ ...options, plan }, stack, onTrouble, onFailure);
    pumps = storing.pumps;
    const { purger } = storing;
    const application = new Application(
      plan,
      stack.broker,
      worker,
      pumps,
      purger,
      services,
      register,
      metrics,
      totals,
      outages,
    );
    application.#measure();
    return application;
  }

  /**
   * Runs until the signal aborts or, with `to`, until everything before that event time is
   * processed and stored. A pump that cannot go on (a record that it cannot read) ends the run.
   *
   * @param end - with other processes: then it goes on until the signal aborts. @default alone
   */
  async run(signal: AbortSignal, to: number | null, end?: EndOfRun): Promise<void> {
    const failure = new AbortController();
    this.#sources = new SourceWatch(this.#broker, this.plan, (who, error) =>
      this.#outages.note(who, error),
    );
    const watch = setInterval(() => {
      if (this.#pumpFailure() !== null) failure.abort();
    }, pumpCheckMs);
    try {
      const either = AbortSignal.any([signal, failure.signal]);
      if (end === undefined) await this.#run(either, to);
      else await this.#runTogether(either, to, end);
    } finally {
      clearInterval(watch);
      this.#sources.stop();
      // Whoever counts records afterwards must not have them purged meanwhile.
      await this.#purger.stop();
    }
    const error = this.#pumpFailure();
    if (error !== null) throw error;
  }

  #pumpFailure(): unknown {
    const failed = this.#pumps.find((pump) => pump.failure !== null);
    return failed?.failure ?? this.#sources?.failure ?? null;
  }

  async #run(signal: AbortSignal, to: number | null): Promise<void> {
    await this.#worker.run(signal, (worker) => isDone(worker, to));
    if (!signal.aborted) await this.#drain();
  }

  /** Its tasks go on meanwhile: those of a process that ends before may come to it. */
  async #runTogether(signal: AbortSignal, to: number | null, end: EndOfRun): Promise<void> {
    let draining = false;
    await this.#worker.run(signal, async (worker) => {
      if (draining || !(await isDone(worker, to)) || !end.quiet()) return false;
      draining = true;
      // A pump that fails or is stopped meanwhile is looked after elsewhere.
      this.#drain().then(
        () => end.drained(),
        () => {},
      );
      return false;
    });
  }

  /** Waits until the pumps of all processes have stored what is committed now. */
  async #drain(): Promise<void> {
    await Promise.all(this.#pumps.map((pump) => pump.drain()));
    await this.#purger.purge();
  }

  get waitingFor(): readonly string[] {
    return this.#outages.waitingFor;
  }

  get status(): RunStatus {
    return {
      taskProgress: this.#worker.taskProgress,
      commits: this.#totals.commits,
      committedRecords: this.#totals.records,
    };
  }

  /** What its tasks say of themselves, for other processes. */
  tasks(): TaskReport[] {
    return this.#worker.tasks.map(({ subtopology, partition, progress, state, counters }) => ({
      subtopology: subtopology.name,
      partition,
      progress,
      state,
      counters,
    }));
  }

  /** Instance ids of all processes that run the plan; none while its place is lost. */
  get instances(): readonly string[] {
    return this.#worker.instances;
  }

  get elsewhere(): number {
    return allTasks(this.plan).length - this.#worker.tasks.length;
  }

  accounts(): BranchAccount[] {
    return branchAccounts(this.plan, this.#worker.tasks);
  }

  /** Stops tasks, services (what runs ends first) and pumps. The stack stays open. */
  async close(): Promise<void> {
    await closeAll([
      () => this.#worker.close(),
      () => this.#services.close(),
      () => this.#register.close(),
      () => this.#purger.stop(),
      () => stopPumps(this.#pumps),
    ]);
  }

  #measure(): void {
    measureTasks(
      this.metrics,
      () => this.tasks(),
      () => this.accounts(),
    );
    this.metrics.gauge(
      "millrace_waiting",
      "Servers that are waited for; 0: the process can do its work.",
      [],
      (set) => set({}, this.#outages.waitingFor.length),
    );
    this.metrics.gauge(
      "millrace_source_ahead_seconds",
      "How far the record judged last lies beyond the clock, where that is further than admitted.",
      ["source", "partition"],
      (set) => {
        for (const task of this.#worker.tasks) {
          if (!(task instanceof SourceTask)) continue;
          const labels = { source: task.subtopology.inbox, partition: String(task.partition) };
          set(labels, task.aheadMs / 1000);
        }
      },
    );
    measureLag(this.metrics, this.#broker, () => this.#positions());
  }

  #positions(): ReaderPosition[] {
    const sources = this.#worker.tasks.flatMap((task) => {
      const { partition, subtopology } = task;
      if (!(task instanceof SourceTask)) return [];
      return [{ reader: "source", topic: subtopology.inbox, partition, offset: task.position }];
    });
    const pumps = this.#pumps.flatMap(({ sink: reader, topic, positions }) =>
      [...positions].map(([partition, offset]) => ({ reader, topic, partition, offset })),
    );
    const unread = (this.#sources?.unread ?? []).map((place) => {
      return { reader: "source", ...place, offset: 0 };
    });
    return [...sources, ...unread, ...pumps];
  }
}

async function isDone(worker: Worker, to: number | null): Promise<boolean> {
  return to !== null && worker.finished(to) && (await worker.caughtUp());
}

/** Who shares a plan with models must find what the others have trained. */
async function placeOf(
  { artifacts }: Stack,
  plan: Plan,
): Promise<Pick<WorkerOptions, "artifacts">> {
  const place = predictionsOf(plan).length === 0 ? undefined : await artifacts.place?.();
  return place === undefined ? {} : { artifacts: place };
}

function tuningOf({ spill, stateBudgetBytes: budgetBytes }: ApplicationOptions): TaskTuning {
  const snapshots = { ...defaultSnapshots, budgetBytes: budgetBytes ?? defaultBudgetBytes };
  return { snapshots, ...(spill === undefined ? {} : { spill }) };
}
