import type { Broker, OffsetToCommit, Producer } from "../broker/broker.ts";
import { restoreFromChangelog } from "../runtime/engine/changelog.ts";
import { CommitBatches } from "../runtime/engine/commit-batches.ts";
import type { SpillOptions } from "../runtime/engine/local-stores.ts";
import { MergeTask, type SnapshotRule } from "../runtime/engine/merge-task.ts";
import { purgeable } from "../runtime/engine/purge.ts";
import { SourceTask } from "../runtime/engine/source-task.ts";
import { catchUpAll } from "../runtime/engine/source-watermarks.ts";
import type { Wanted } from "../runtime/engine/task.ts";
import { type Mode, TaskFactory } from "../runtime/engine/task-factory.ts";
import { writeTransaction } from "../runtime/engine/transaction.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import type { Execute } from "../runtime/services/service.ts";
import type { Plan } from "../schemas/plan.ts";

export interface ScheduleOptions {
  readonly plan: Plan;
  /** Holds the whole input already. */
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly execute: Execute;
  /** Equal seeds give equal schedules. */
  readonly seed: number;
  /**
   * Chance that a turn of a task ends in its crash: uncommitted work is lost, it restores. @default
   * 0.01
   */
  readonly crash?: number;
  /**
   * Chance that a task gets its turn when it is drawn; a slow source has a small one. @default
   * always 1
   */
  readonly speed?: (task: MergeTask | SourceTask) => number;
  /** Bytes fetched for a task at most in one turn. @default 65536 */
  readonly fetchBytes?: number;
  /** When tasks write snapshots. @default as in production */
  readonly snapshots?: SnapshotRule;
  /** Where tasks put what is beyond their share of memory. @default all stays in memory */
  readonly spill?: SpillOptions;
  /** Repeats the decisions that the broker holds. @default false */
  readonly repeatDecisions?: boolean;
  /** Runs in live mode by a clock that the schedule moves. @default replay */
  readonly live?: LiveSchedule;
}

export interface LiveSchedule {
  /** Longest wait, in ms of the clock. */
  readonly maxWaitMs: number;
  /** The clock at the beginning and at the end, UTC ms. */
  readonly from: number;
  readonly to: number;
  /** The clock moves by up to this at a time, ms. */
  readonly stepMs: number;
  /** Writes what producers have sent by now. */
  readonly feed: (now: number) => Promise<void>;
}

export interface ScheduleReport {
  readonly turns: number;
  readonly commits: number;
  readonly crashes: number;
  readonly tasks: readonly (MergeTask | SourceTask)[];
}

/** A seeded stream of numbers in [0, 1) (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Runs the tasks of a plan to the end of the input under a random schedule: random turns, random
 * slices, commits of one task or of several together, crashes with restore, topics purged behind
 * their readers. Everything but the schedule is what production runs, so any schedule must give the
 * same records.
 */
export async function runSchedule(options: ScheduleOptions): Promise<ScheduleReport> {
  const schedule = await Schedule.create(options);
  await schedule.run();
  return schedule.report();
}

class Schedule {
  readonly #options: ScheduleOptions;
  readonly #factory: TaskFactory;
  readonly #random: () => number;
  readonly #tasks: (MergeTask | SourceTask)[];
  readonly #clock: { now: number };
  readonly #producer: Producer;
  #turns = 0;
  #commits = 0;
  #crashes = 0;

  private constructor(
    options: ScheduleOptions,
    factory: TaskFactory,
    clock: { now: number },
    producer: Producer,
  ) {
    this.#clock = clock;
    this.#options = options;
    this.#factory = factory;
    this.#producer = producer;
    this.#random = seededRandom(options.seed);
    this.#tasks = options.plan.subtopologies.flatMap((subtopology) =>
      Array.from({ length: subtopology.partitions }, (_, partition) =>
        factory.create(subtopology, partition),
      ),
    );
  }

  static async create(options: ScheduleOptions): Promise<Schedule> {
    const { plan, broker, registry, live, snapshots, spill, repeatDecisions = false } = options;
    await broker.createTopics(plan.topics);
    const clock = { now: live?.from ?? 0 };
    const mode: Mode =
      live === undefined
        ? { kind: "replay", ...(repeatDecisions && { decisions: "all" as const }) }
        : { kind: "live", now: () => clock.now, maxWaitMs: live.maxWaitMs };
    const tuning = {
      ...(snapshots === undefined ? {} : { snapshots }),
      ...(spill === undefined ? {} : { spill }),
    };
    const factory = await TaskFactory.create(plan, broker, registry, mode, tuning);
    const producer = await broker.producer({ transactionalId: `${plan.name}-schedule` });
    await catchUpAll(broker, [...factory.watermarks.values()]);
    return new Schedule(options, factory, clock, producer);
  }

  async run(): Promise<void> {
    const quietEnough = this.#tasks.length * 20;
    for (let quiet = 0; quiet < quietEnough; this.#turns++) {
      const index = Math.floor(this.#random() * this.#tasks.length);
      const task = this.#tasks[index] as MergeTask | SourceTask;
      const speed = this.#options.speed?.(task) ?? 1;
      if (quiet === 0 && this.#random() > speed) continue;
      const timePassed = this.#options.live !== undefined && (await this.#passTime());
      const moved = await this.#turn(task, index);
      quiet = moved || timePassed ? 0 : quiet + 1;
    }
    await this.#producer.close();
  }

  /** Live mode: at times the clock moves, and producers have sent more. */
  async #passTime(): Promise<boolean> {
    const { live } = this.#options;
    if (live === undefined || this.#clock.now >= live.to || this.#random() > 0.1) return false;
    this.#clock.now += 1 + Math.floor(this.#random() * live.stepMs);
    await live.feed(this.#clock.now);
    return true;
  }

  /** Live mode: a source that is read to its end advances by the clock. */
  async #advanceIdle(task: SourceTask): Promise<void> {
    const { broker, live } = this.#options;
    if (live === undefined) return;
    const place = { topic: task.subtopology.inbox, partition: task.partition };
    const [end = 0] = await broker.listOffsets([{ ...place, at: "latest" }]);
    task.advanceIdle(end, this.#clock.now);
  }

  report(): ScheduleReport {
    return {
      turns: this.#turns,
      commits: this.#commits,
      crashes: this.#crashes,
      tasks: this.#tasks,
    };
  }

  /** Waits for nothing that is not asked for: a promise costs more than most turns do. */
  async #turn(task: MergeTask | SourceTask, index: number): Promise<boolean> {
    const want = task.wanted();
    const fetched = want !== null && (await this.#fetch(task, want));
    const budget = 1 + Math.floor(this.#random() * (this.#random() < 0.5 ? 5 : 400));
    let taken = task.step(budget);
    if (task instanceof SourceTask) {
      await task.resolveSchema();
      if (task.placement.wantsLook)
        await task.placement.ask(
          async () => {},
          () => false,
        );
      if (this.#options.live !== undefined) await this.#advanceIdle(task);
    } else {
      if (await this.#work(task)) taken++;
    }
    if (this.#random() < (this.#options.crash ?? 0.01)) {
      this.#crashes++;
      this.#tasks[index] = await this.#restored(task);
      return true;
    }
    const dirty = this.#random() < 0.7 ? this.#dirtyWith(task) : [];
    const committed = dirty.length > 0;
    if (committed) await this.#commit(dirty);
    return fetched || taken > 0 || committed;
  }

  /** Whether the task had work for the world outside. */
  async #work(task: MergeTask): Promise<boolean> {
    const work = task.takeWork();
    if (work === null) return false;
    task.settle(await this.#options.execute(task.subtopology, work));
    return true;
  }

  async #fetch(task: MergeTask | SourceTask, want: Wanted): Promise<boolean> {
    const maxBytes = 1 + Math.floor(this.#random() * (this.#options.fetchBytes ?? 65_536));
    const [fetched] = await this.#options.broker.fetch({
      partitions: [{ ...want, maxBytes }],
      isolation: "read_committed",
      maxWaitMs: 0,
      maxBytes,
    });
    if (fetched === undefined) return false;
    task.accept(fetched);
    return true;
  }

  /** The task to commit, at times together with some others, as a process with several does. */
  #dirtyWith(task: MergeTask | SourceTask): (MergeTask | SourceTask)[] {
    const others = this.#random() < 0.3 ? this.#tasks.filter(() => this.#random() < 0.3) : [];
    return [...new Set([task, ...others])].filter((each) => each.dirty);
  }

  /**
   * At times what they send is handed over as it is gathered, and some of its readers go on with it
   * and are in the same commit, as those of one process are.
   */
  async #commit(dirty: readonly (MergeTask | SourceTask)[]): Promise<void> {
    const gathered = new Map<MergeTask | SourceTask, OffsetToCommit>();
    const readers = new Set<MergeTask>();
    const isApart = this.#random() < 0.5;
    const batches = new CommitBatches(
      () => 1_000_000,
      (topic, partition, frame) => {
        const reader = this.#tasks.find(
          (task) => task.subtopology.inbox === topic && task.partition === partition,
        );
        if (isApart || !(reader instanceof MergeTask) || this.#random() < 0.3) return;
        reader.handOver(frame);
        readers.add(reader);
      },
    );
    for (const each of dirty) gathered.set(each, each.collect(batches));
    for (const each of readers) {
      if (this.#random() < 0.5) {
        each.step(1 + Math.floor(this.#random() * 20));
        await this.#work(each);
      }
      const isLeft = gathered.has(each) || !each.dirty || this.#random() < 0.3;
      if (!isLeft) gathered.set(each, each.collect(batches));
    }
    const { plan } = this.#options;
    const offsets = [...gathered.values()];
    const first = await writeTransaction(this.#producer, batches, plan.name, offsets, null);
    for (const each of gathered.keys()) each.committed((topic, n) => first.get(`${topic}/${n}`));
    if (this.#random() < 0.1) await this.#options.broker.deleteRecords(purgeable(this.#tasks));
    this.#commits++;
  }

  async #restored(task: MergeTask | SourceTask): Promise<MergeTask | SourceTask> {
    const fresh = this.#factory.create(task.subtopology, task.partition);
    await restoreFromChangelog(this.#options.broker, fresh.changelog, fresh);
    return fresh;
  }
}
