import type { Logger } from "pino";
import type { Config } from "../../runtime/config/settings.ts";
import { type BranchAccount, branchAccounts } from "../../runtime/engine/accounting.ts";
import { allTasks } from "../../runtime/engine/assignment.ts";
import { ownTopics, planOnSources } from "../../runtime/engine/plan-on-sources.ts";
import { migrateOffline } from "../../runtime/hosting/catalog.ts";
import { Outages, type TellOutage } from "../../runtime/hosting/outages.ts";
import type { RunningPlan, RunStatus } from "../../runtime/hosting/running-plan.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { measureTasks } from "../../runtime/hosting/task-metrics.ts";
import { Metrics } from "../../runtime/metrics/metrics.ts";
import type { Scraped } from "../../runtime/metrics/server.ts";
import type { Plan } from "../../schemas/plan.ts";
import { type End, EndRounds } from "./end-rounds.ts";
import { GroupTasks } from "./group-tasks.ts";
import { WorkerChild } from "./worker-child.ts";
import {
  type MetricsReport,
  type PackedConfig,
  packConfig,
  type WorkerCommand,
  type WorkerMessage,
} from "./worker-messages.ts";
import { mergeMetrics } from "./worker-metrics.ts";

export interface WorkerGroupOptions {
  readonly plan: Plan;
  /** Path of the application's module, which the workers load for themselves. */
  readonly module: string;
  /** Open in this process; the workers open it for themselves. */
  readonly stack: Stack;
  readonly config: Config;
  /** Name of the data directory among those that run the plan. */
  readonly member: string;
  /** Event time at which it ends, UTC ms; infinite: never. */
  readonly until: number;
  readonly log: Logger;
  /** Told what is waited for and when it is there again, once each. */
  readonly onOutage: TellOutage;
  /** Told when a worker died and is started again. */
  readonly onDeath: (worker: string, how: string) => void;
}

/** How long a worker may take to answer a scrape, ms. */
const scrapeTimeoutMs = 2_000;

/** A plan whose tasks are spread over worker processes, called "0" to N − 1. */
export class WorkerGroup implements RunningPlan {
  readonly plan: Plan;
  readonly metrics: Scraped;
  readonly #options: WorkerGroupOptions;
  /** For every process that begins, however late. */
  readonly #config: PackedConfig;
  readonly #workers: readonly WorkerChild[];
  readonly #running: Promise<void>;
  readonly #rounds: EndRounds;
  readonly #taskCount: number;
  readonly #outages: Outages;
  readonly #tasks: GroupTasks;
  /** Of each worker, what its processes have committed. */
  readonly #committed = new Map<string, { before: RunCount; now: RunCount }>();
  /** Workers that are to say that everything is stored; null while the run goes on. */
  #draining: Set<string> | null = null;
  #stored = false;
  readonly #scrapes = new Map<number, (worker: string, metrics: MetricsReport) => void>();
  #scrape = 0;

  private constructor(options: WorkerGroupOptions) {
    const { plan, config } = options;
    this.plan = plan;
    this.#options = options;
    this.#config = packConfig(config);
    this.#outages = new Outages(options.onOutage);
    this.#taskCount = allTasks(plan).length;
    this.#tasks = new GroupTasks(this.#taskCount, options.member);
    this.#rounds = new EndRounds(this.#taskCount, options.member);
    this.#workers = Array.from({ length: config.workers }, (_, number) => {
      const id = String(number);
      return new WorkerChild(id, () => this.#greeting(id), {
        started: (worker, pid) => options.log.info({ worker: worker.id, pid }, "worker started"),
        said: (worker, message) => this.#take(worker, message),
        died: (worker, how) => this.#mourn(worker, how),
      });
    });
    this.metrics = this.#serveMetrics();
    this.#running = this.#runAll();
    // Waited for in `run`; until then nobody looks.
    this.#running.catch(() => {});
  }

  /** Prepares topics and tables, so that the workers do not race for it, and starts them. */
  static async start(options: WorkerGroupOptions): Promise<WorkerGroup> {
    const { stack } = options;
    const plan = await planOnSources(stack.broker, options.plan);
    await stack.broker.createTopics(ownTopics(plan));
    await migrateOffline(stack, plan);
    return new WorkerGroup({ ...options, plan });
  }

  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.#stop();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      await this.#running;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async close(): Promise<void> {
    this.#stop();
    await this.#running.catch(() => {});
  }

  get waitingFor(): readonly string[] {
    return this.#outages.waitingFor;
  }

  get status(): RunStatus {
    let [commits, committedRecords] = [0, 0];
    for (const { before, now } of this.#committed.values()) {
      commits += before.commits + now.commits;
      committedRecords += before.records + now.records;
    }
    return { taskProgress: this.#tasks.reached, commits, committedRecords };
  }

  get elsewhere(): number {
    const { end } = this.#rounds;
    return end === null ? this.#tasks.elsewhere : this.#taskCount - end.tasks.length;
  }

  accounts(): BranchAccount[] {
    return branchAccounts(this.plan, this.#rounds.end?.tasks ?? this.#tasks.all);
  }

  /** Pids of the present processes by worker id. */
  get pids(): ReadonlyMap<string, number> {
    return new Map(
      this.#workers.flatMap(({ id, pid }) => (pid === null ? [] : [[id, pid] as const])),
    );
  }

  /** One that fails takes the others with it. */
  async #runAll(): Promise<void> {
    const ends = await Promise.allSettled(
      this.#workers.map((worker) =>
        worker.run().catch((error: unknown) => {
          this.#stop();
          throw error;
        }),
      ),
    );
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  #greeting(worker: string): WorkerCommand[] {
    const { module, plan, until, member } = this.#options;
    const config = this.#config;
    const { round } = this.#rounds;
    const commands: WorkerCommand[] = [
      { kind: "start", module, plan: plan.name, config, until, worker, member },
      { kind: "ask", round },
    ];
    if (this.#rounds.end !== null) commands.push({ kind: "drain" });
    return commands;
  }

  #take(worker: WorkerChild, message: WorkerMessage): void {
    const { id } = worker;
    if (message.kind === "outage") {
      const who = `${id} ${message.what}`;
      if (message.error === null) this.#outages.end(who);
      else this.#outages.begin(who, message.what, message.error);
    } else if (message.kind === "metrics") {
      this.#scrapes.get(message.request)?.(id, message.metrics);
    } else if (message.kind === "drained") {
      this.#stored = true;
      this.#draining?.delete(id);
      this.#endIfStored();
    } else if (message.kind === "status") {
      const { commits, committedRecords } = message;
      const count = this.#committed.get(id) ?? { before: nothing, now: nothing };
      count.now = { commits, records: committedRecords };
      this.#committed.set(id, count);
      if (commits > 0) worker.thrives();
      this.#tasks.keep(id, message);
      if (this.#rounds.take(id, message)) {
        this.#tellAll({ kind: "ask", round: this.#rounds.round });
      }
      if (this.#rounds.end !== null && this.#draining === null) this.#drain(this.#rounds.end);
    }
  }

  /** All is done. Each waits for the pumps of all; the ends come together, when all is stored. */
  #drain({ owners }: End): void {
    this.#draining = new Set(owners);
    this.#tellAll({ kind: "drain" });
  }

  #endIfStored(): void {
    if (this.#stored && this.#draining?.size === 0) this.#stop();
  }

  #mourn({ id }: WorkerChild, how: string): void {
    this.#options.log.warn({ worker: id, how }, "worker died");
    this.#options.onDeath(id, how);
    const count = this.#committed.get(id);
    if (count !== undefined) {
      const { before, now } = count;
      count.before = {
        commits: before.commits + now.commits,
        records: before.records + now.records,
      };
      count.now = nothing;
    }
    this.#outages.endAll(`${id} `);
    this.#rounds.forget(id);
    // What it had not stored yet, those who still wait see stored, or its next process says so.
    this.#draining?.delete(id);
    this.#endIfStored();
  }

  #tellAll(command: WorkerCommand): void {
    for (const worker of this.#workers) worker.send(command);
  }

  #stop(): void {
    for (const worker of this.#workers) worker.stop();
  }

  #serveMetrics(): Scraped {
    const own = new Metrics();
    measureTasks(
      own,
      () => this.#tasks.all,
      () => this.accounts(),
    );
    const merged = async () => {
      const [parent, workers] = await Promise.all([
        own.registry.getMetricsAsJSON(),
        this.#askMetrics(),
      ]);
      return mergeMetrics(parent, workers);
    };
    const { contentType } = own.registry;
    const metrics = async () => await (await merged()).metrics();
    const getMetricsAsJSON = async () => await (await merged()).getMetricsAsJSON();
    return { registry: { contentType, metrics, getMetricsAsJSON } };
  }

  /** Of those that answer in time. */
  #askMetrics(): Promise<Map<string, MetricsReport>> {
    const request = ++this.#scrape;
    const answers = new Map<string, MetricsReport>();
    const asked = this.pids.size;
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.#scrapes.delete(request);
        resolve(answers);
      };
      const timer = setTimeout(finish, scrapeTimeoutMs);
      this.#scrapes.set(request, (worker, metrics) => {
        answers.set(worker, metrics);
        if (answers.size === asked) finish();
      });
      this.#tellAll({ kind: "metrics", request });
    });
  }
}

interface RunCount {
  readonly commits: number;
  readonly records: number;
}

const nothing: RunCount = { commits: 0, records: 0 };
