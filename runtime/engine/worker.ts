import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { MillraceError, policyOf } from "../../schemas/errors.ts";
import { passes, pauseMs } from "../retry.ts";
import { allTasks } from "./assignment.ts";
import { caughtUp, placesOf } from "./caught-up.ts";
import { restoreFromChangelog } from "./changelog.ts";
import type { HandOver } from "./commit-batches.ts";
import { CommitPipeline } from "./commit-pipeline.ts";
import { GroupProgress } from "./group-progress.ts";
import { KnownInboxes } from "./known-inboxes.ts";
import { AheadWatch } from "./live/ahead-watch.ts";
import { CommitHold } from "./live/commit-hold.ts";
import { IdleAdvance } from "./live/idle-advance.ts";
import { Membership } from "./membership.ts";
import { MergeTask, tellNews } from "./merge-task.ts";
import { agreeOnPlan } from "./plan-agreement.ts";
import { ownTopics, planOnSources } from "./plan-on-sources.ts";
import { holdBackSources } from "./source-alignment.ts";
import { SourcePace } from "./source-pace.ts";
import { placeSource } from "./source-position.ts";
import { SourceQuestions } from "./source-questions.ts";
import { SourceTask } from "./source-task.ts";
import { catchUpAll } from "./source-watermarks.ts";
import { taskName } from "./task.ts";
import { clockOf, TaskFactory } from "./task-factory.ts";
import { fetchRequest, readWatermarks } from "./task-fetch.ts";
import { TaskFetches } from "./task-fetches.ts";
import { WorkDesk } from "./work-desk.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** Wait for records when there is nothing to do, ms: whoever replays soon sees the end of it. */
const idleWaitMs = { live: 1_000, replay: 100 } as const;

/** What a turn of the loop came to: something, nothing, or the end. */
type Turn = "busy" | "idle" | "done";

/**
 * Runs the tasks that a group assigns to this process: fetch, step, commit all together in one
 * transaction, again. One loop, one producer; scoring and training happen beside it.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #factory: TaskFactory;
  readonly #stepBudget: number;
  readonly #idleWaitMs: number;
  readonly #handsOver: boolean;
  readonly #known = new KnownInboxes();
  readonly #partitionsOf: (subtopology: string) => number;
  readonly #group: GroupProgress;
  /** Live mode only. */
  readonly #hold: CommitHold | null;
  readonly #membership: Membership;
  readonly #commits: CommitPipeline;
  readonly #desk: WorkDesk;
  readonly #fetches: TaskFetches;
  readonly #taskCount: number;
  readonly #pace: SourcePace;
  #tasks: (MergeTask | SourceTask)[] = [];
  #byPartition = new Map<string, MergeTask | SourceTask>();
  readonly #questions: SourceQuestions;
  /** The last event time before the end that somebody waits for; see {@link finished}. */
  #awaitedEnd = Number.NEGATIVE_INFINITY;
  /** The tasks are not what their changelogs say: they are to be made anew. */
  #stale = false;
  /** Wait before the next try while a server is away, ms. */
  #pauseMs: number = pauseMs.first;
  readonly #ahead: AheadWatch;
  /** Something happened outside the loop since it last looked. */
  #news = false;
  #wake = () => {};

  private constructor(options: WorkerOptions, factory: TaskFactory, membership: Membership) {
    this.#options = options;
    this.#factory = factory;
    this.#membership = membership;
    this.#stepBudget = options.stepBudget ?? 2000;
    const { plan, broker, mode, execute, onTrouble = () => {} } = options;
    const counts = new Map(plan.subtopologies.map((each) => [each.name, each.partitions]));
    this.#partitionsOf = (name) => counts.get(name) ?? 0;
    this.#group = new GroupProgress(plan, broker);
    const { watermarks } = factory;
    this.#fetches = new TaskFetches(broker, (got) => readWatermarks(broker, got, watermarks));
    const isLive = mode.kind === "live";
    const [wakeUp, workers] = [() => this.#wakeUp(), () => this.instances.length || 1];
    this.#idleWaitMs = options.idleWaitMs ?? (isLive ? idleWaitMs.live : idleWaitMs.replay);
    const idle = (now: () => number) =>
      new IdleAdvance(plan, broker, now, wakeUp, workers, this.#idleWaitMs);
    this.#hold = isLive ? new CommitHold(idle(clockOf(mode))) : null;
    const { commitIntervalMs: intervalMs = 100, onCommit = () => {} } = options;
    const commits = { plan, broker, intervalMs, prompt: isLive, onCommit, tell: wakeUp };
    const handOver: HandOver = (topic, partition, frame) => {
      const reader = this.#taskOf(topic, partition);
      if (reader instanceof MergeTask) reader.handOver(frame);
    };
    const goOn = (task: MergeTask) => this.#step(task).begun;
    const { handsOver = isLive } = options;
    this.#handsOver = handsOver && plan.guarantee === "exactly-once";
    const workMs = (task: MergeTask) => this.#desk.tookMs(task);
    const within = this.#handsOver ? { handOver, goOn, workMs } : null;
    this.#commits = new CommitPipeline({ ...commits, within }, membership);
    const stands = () => this.#commits.stands();
    this.#desk = new WorkDesk({ plan, execute, isLive, onTrouble, stands, tell: wakeUp });
    this.#questions = new SourceQuestions({ plan, broker, onTrouble, tell: wakeUp });
    this.#taskCount = allTasks(plan).length;
    this.#pace = new SourcePace(options.slow);
    this.#ahead = new AheadWatch(options.onAhead);
  }

  /**
   * Creates its own topics, joins the group, fences the previous owner and restores the assigned
   * tasks. If it fails it leaves the group: nobody waits for what will not come.
   */
  static async start(given: WorkerOptions): Promise<Worker> {
    const { broker, registry, mode } = given;
    const plan = await planOnSources(broker, given.plan);
    const options = { ...given, plan };
    await agreeOnPlan(broker, plan);
    await broker.createTopics(ownTopics(plan));
    const factory = await TaskFactory.create(plan, broker, registry, mode, given);
    const membership = await Membership.join(options);
    const worker = new Worker(options, factory, membership);
    try {
      membership.watch(() => worker.#wakeUp());
      await worker.#restoreAll();
    } catch (error) {
      // What it failed with says more than why it cannot leave either.
      await worker.close().catch(() => {});
      throw error;
    }
    return worker;
  }

  get tasks(): readonly (MergeTask | SourceTask)[] {
    return this.#tasks;
  }

  /** Of all processes of the plan, as ids; none while its place among them is lost. */
  get instances(): readonly string[] {
    return this.#membership.assignment.instances;
  }

  /**
   * Runs until the signal aborts or `until` says that all is done. A server that is away is waited
   * for as long as it takes.
   */
  async run(
    signal: AbortSignal,
    until: (worker: Worker) => boolean | Promise<boolean> = () => false,
  ): Promise<void> {
    let turn: Turn = "busy";
    const wakeUp = () => this.#wakeUp();
    signal.addEventListener("abort", wakeUp);
    try {
      while (!signal.aborted && turn !== "done") {
        try {
          turn = await this.#turn(turn === "idle", until);
          if (this.#pauseMs !== pauseMs.first) this.#goOn();
        } catch (error) {
          if (!passes(error)) throw error;
          await this.#pause(error, signal);
        }
        await nextTurn();
      }
    } finally {
      signal.removeEventListener("abort", wakeUp);
      this.#hold?.stop();
    }
    await this.#commits.ended();
  }

  /** Tells the tasks that the world outside has something to say that they may want to know. */
  tellNews(): void {
    for (const task of this.#tasks) tellNews(task);
    this.#wakeUp();
  }

  async #turn(idle: boolean, until: (worker: Worker) => boolean | Promise<boolean>): Promise<Turn> {
    const { failure } = this.#commits;
    if (failure !== null) await this.#afterFailedCommit(failure);
    const work = () => this.#work(idle, until);
    return (await this.#membership.turn(() => this.#rebalance(), work)) ?? "busy";
  }

  async #work(idle: boolean, until: (worker: Worker) => boolean | Promise<boolean>): Promise<Turn> {
    if (this.#stale) await this.#recover();
    this.#stale = this.#desk.failed;
    this.#desk.throwFailure();
    this.#questions.throwFailure();
    const fetched = await this.#poll(idle && !this.#news);
    this.#news = false;
    const taken = await this.#stepAll();
    const isHeld = this.#advanceIdle();
    const begun = !isHeld && this.#commits.beginIfDue(this.#tasks, taken === 0);
    if (begun) this.#hold?.begun();
    if (taken > 0 || begun) return "busy";
    if (isHeld) return "idle";
    const quiet = fetched === 0 && this.#desk.working === 0 && this.#commits.quiet;
    return quiet && (await until(this)) ? "done" : "idle";
  }

  /** Before the next try; what is away is told of. */
  async #pause(error: unknown, signal: AbortSignal): Promise<void> {
    this.#options.onTrouble?.("the tasks", error);
    const pause = this.#pauseMs;
    this.#pauseMs = Math.min(pauseMs.most, 2 * pause);
    await sleep(pause, null, { signal }).catch(() => {});
  }

  #goOn(): void {
    this.#pauseMs = pauseMs.first;
    this.#options.onTrouble?.("the tasks", null);
  }

  /** Stops owning anything; uncommitted work is dropped and will be done again. */
  async close(): Promise<void> {
    this.#desk.forget();
    await this.#commits.ended();
    this.#factory.clearStores();
    await this.#membership.leave();
  }

  /** Least event time that all sources have reached. */
  get sourceProgress(): number {
    return Math.min(...this.#sources.map((task) => task.progress));
  }

  /** Least event time that all tasks have reached. */
  get taskProgress(): number {
    return Math.min(...this.#tasks.map((task) => task.progress));
  }

  /** Whether its tasks have read and processed all that stands in their partitions. */
  async caughtUp(): Promise<boolean> {
    return await caughtUp(this.#options.broker, this.#tasks);
  }

  /**
   * Whether all tasks of the plan, in whatever process, have processed and committed everything
   * that is known before an event time. As of the last look at the others, which is repeated.
   */
  finished(to: number): boolean {
    this.#awaitedEnd = to - 1;
    const own = new Map(
      this.#tasks.map((task) => [taskName(task.subtopology.name, task.partition), task]),
    );
    if (!this.#ownsAll) this.#group.refresh();
    return allTasks(this.#options.plan).every((name) => {
      const task = own.get(name);
      if (task === undefined) return this.#group.of(name) >= to;
      return !task.busy && !task.dirty && task.progress >= to;
    });
  }

  get #ownsAll() {
    return this.#tasks.length === this.#taskCount;
  }

  get #sources(): SourceTask[] {
    return this.#tasks.filter((task) => task instanceof SourceTask);
  }

  #taskOf(topic: string, partition: number): MergeTask | SourceTask | undefined {
    return this.#byPartition.get(`${topic}/${partition}`);
  }

  async #rebalance(): Promise<void> {
    this.#desk.forget();
    await this.#commits.ended();
    // Another process may have taken up partitions: then no task goes on as before.
    await this.#checkPartitions();
    await this.#membership.rejoin();
    await this.#restoreAll();
  }

  /** @throws {MillraceError} SOURCE_PARTITIONS; what else is wrong, others find out and say. */
  async #checkPartitions(): Promise<void> {
    await planOnSources(this.#options.broker, this.#options.plan).catch((error: unknown) => {
      if (error instanceof MillraceError && error.code === "SOURCE_PARTITIONS") throw error;
    });
  }

  async #recover(): Promise<void> {
    this.#desk.forget();
    await this.#commits.ended();
    await this.#membership.renewProducer();
    await this.#restoreAll();
  }

  /** Makes the assigned tasks anew from the changelog and the committed offsets. */
  async #restoreAll(): Promise<void> {
    const { broker, plan, acceptGaps = false } = this.#options;
    this.#stale = true;
    const assigned = new Set(this.#membership.assignment.tasks);
    const unknown = [...assigned].filter((name) => !allTasks(plan).includes(name));
    if (unknown.length > 0) throw new MillraceError("UNKNOWN_TASK", { task: unknown.join(", ") });
    await this.#membership.fenceAbsent();
    this.#tasks = [];
    this.#byPartition = new Map();
    this.#fetches.forget();
    this.#factory.clearStores();
    for (const subtopology of plan.subtopologies) {
      for (let partition = 0; partition < subtopology.partitions; partition++) {
        if (!assigned.has(taskName(subtopology.name, partition))) continue;
        const task = this.#factory.create(subtopology, partition);
        this.#tasks.push(task);
        this.#byPartition.set(`${subtopology.inbox}/${partition}`, task);
      }
    }
    // Waits for transactions of a previous owner that touch these offsets.
    await broker.committed(plan.name, placesOf(this.#tasks));
    for (const task of this.#tasks) {
      const known = await restoreFromChangelog(broker, task.changelog, task);
      if (task instanceof SourceTask) await placeSource(broker, plan, task, known, acceptGaps);
      // Without transactions its changelog may be ahead of its offset, which tells others of it.
      if (plan.guarantee === "at-least-once") task.forceCommit();
    }
    await catchUpAll(broker, [...this.#factory.watermarks.values()]);
    this.#commits.restart();
    this.#stale = false;
  }

  /**
   * Fetches for every task that wants records; waits for some when idle, else a moment. Returns how
   * many got any; 1 while that is not known.
   */
  async #poll(idle: boolean): Promise<number> {
    const asked = this.#known.toRead(this.#tasks, this.#handsOver && this.#ownsAll);
    const request = fetchRequest(asked, this.#factory.watermarks, this.#idleWaitMs);
    const fetched = await this.#fetches.next(request, idle ? this.#wokenUp() : null);
    if (fetched === null) return 1;
    for (const each of fetched) {
      const task = this.#taskOf(each.topic, each.partition);
      task?.accept(each);
      this.#known.read(task);
    }
    return fetched.length;
  }

  #wakeUp(): void {
    this.#news = true;
    this.#wake();
  }

  /** Resolves when work outside is done, a commit has ended or membership changes. */
  #wokenUp(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #stepAll(): Promise<number> {
    if (!this.#ownsAll) this.#group.refresh();
    holdBackSources(this.#tasks, this.#partitionsOf, (task) => this.#group.of(task));
    let taken = 0;
    for (const task of this.#tasks) {
      if (task instanceof SourceTask) {
        if (!task.stalled) taken += this.#pace.step(task, this.#stepBudget);
        this.#questions.ask(task);
        this.#ahead.look(task);
        continue;
      }
      if (this.#commits.isOverdue(task)) continue;
      taken += this.#step(task).taken;
    }
    return taken;
  }

  /** How many records and timers a task took, and when work that it began is done. */
  #step(task: MergeTask): { readonly taken: number; readonly begun: Promise<void> | null } {
    const taken = task.step(this.#stepBudget);
    const work = task.takeWork();
    return { taken, begun: work === null ? null : this.#desk.begin(task, work) };
  }

  /**
   * Lets sources without records pass event time, by the last look at their ends. Returns whether
   * the next commit waits for another.
   */
  #advanceIdle(): boolean {
    const own = this.#tasks.map((task) => task.need);
    const needs = [...own, ...(this.#ownsAll ? [] : this.#group.needs), this.#awaitedEnd];
    return this.#hold?.step(this.#sources, needs, this.#commits.quiet) ?? false;
  }

  async #afterFailedCommit(error: unknown): Promise<void> {
    const policy = policyOf(error);
    // The turn that follows takes over.
    if (this.#membership.endedBy(error)) return;
    if (policy !== "restore" && policy !== "retry") throw error;
    if (policy === "retry") {
      // Told now: what follows takes as long as the server is away.
      this.#options.onTrouble?.("the tasks", error);
      this.#pauseMs = Math.max(this.#pauseMs, 2 * pauseMs.first);
    }
    await this.#recover();
  }
}
