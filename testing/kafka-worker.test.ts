import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { type KafkaBroker, openKafkaBroker } from "../broker/kafka/kafka-broker.ts";
import { allTasks } from "../runtime/engine/assignment.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { memberOf } from "../runtime/hosting/member.ts";
import { Outages } from "../runtime/hosting/outages.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { type KafkaStack, startKafka } from "../stacks/local/kafka.ts";
import { endOf, executeAir, produceAir, registerAir } from "./air-input-fixture.ts";
import { type AirOutput, collectAir, compareAir } from "./air-output-fixture.ts";
import { requirement } from "./requirements-fixture.ts";
import { air, makeLogs } from "./schedule-fixture.ts";
import { sequentialOracle } from "./sequential-oracle.ts";
import { seededRandom } from "./simulator.ts";
import type { WorkerProcessMessage, WorkerProcessOptions } from "./worker-process-fixture.ts";

/*
 * The production worker on a real Kafka: alone, killed, and in a group. Every record that it
 * commits must be the one, at its place, that an undisturbed run on the embedded log commits.
 */

const skip = requirement("java", "maven");
const extension = extname(import.meta.url);
const logs = makeLogs(1, 700, 5);
const all = allTasks(air).length;
const to = endOf(logs);
/** The least that a broker with the setting below allows; the survivor waits as long. */
const sessionTimeoutMs = 2_000;
/** As a worker has it: a pause beyond it ends what is open. */
const transactionTimeoutMs = 10_000;
let directory = "";
let kafka: KafkaStack;
let broker: KafkaBroker;
let undisturbed: AirOutput;

before(async () => {
  if (skip !== false) return;
  directory = await mkdtemp(join(tmpdir(), "millrace-worker-"));
  const settings = { "group.min.session.timeout.ms": String(sessionTimeoutMs) };
  kafka = await startKafka({ directory, settings });
  broker = await openKafkaBroker({ brokers: kafka.brokers, clientId: "parent" });
  undisturbed = await runHere(await openEmbeddedBroker({ directory: null }));
});

after(async () => {
  if (skip !== false) return;
  await broker?.close();
  await kafka?.kill();
  await rm(directory, { recursive: true, force: true });
});

test("a worker on Kafka gives what the definitions say, and the embedded log's bytes", {
  skip,
}, async () => {
  compareAir(undisturbed.output, sequentialOracle(air, logs), "the embedded log");
  await emptyKafka();
  expectTheSame(await runHere(broker));
});

test("a worker killed again and again commits every record once", { skip }, async () => {
  await emptyKafka();
  const registry = await fill(broker);
  const random = seededRandom(41);
  let kills = 0;
  for (let finished = false; !finished; ) {
    const worker = startWorker("0");
    const commits = kills < 6 ? 1 + Math.floor(random() * 10) : Number.POSITIVE_INFINITY;
    finished = await worker.until((count) => count >= commits);
    if (finished) break;
    await wait(random() * 25);
    await worker.kill();
    kills++;
  }
  assert.ok(kills >= 4, `${kills} kills prove little`);
  expectTheSame(await collectAir(broker, registry));
});

test("workers in two data directories share the tasks; one is killed and the other goes on", {
  skip,
}, async () => {
  await emptyKafka();
  const registry = await prepare(broker);
  const [first, second] = [startWorker("0"), startWorker("1")];
  await Promise.all([first.until(shares), second.until(shares)]);
  await produceAir(broker, registry, logs);
  const works = (commits: number) => commits > 5;
  const early = await Promise.all([first.until(works), second.until(works)]);
  assert.deepEqual(early, [false, false], "both have worked on their half");
  await second.kill();
  assert.equal(await first.until((_, tasks) => tasks === all), false, "the survivor takes over");
  const back = startWorker("1");
  await back.until(shares);
  const ends = await Promise.all([first.until(() => false), back.until(() => false)]);
  assert.deepEqual(ends, [true, true], "both know when all is done");
  const members = await Promise.all(["0", "1"].map((name) => memberOf(dataOf(name))));
  assert.notEqual(members[0], members[1]);
  assert.deepEqual([first.fences, second.fences, back.fences], [0, 0, 0], "nobody is fenced");
  expectTheSame(await collectAir(broker, registry));
});

test("a worker that hangs is replaced, and what it does afterwards does not count", {
  skip,
}, async () => {
  await emptyKafka();
  const registry = await prepare(broker);
  const [first, second] = [startWorker("0"), startWorker("1")];
  await Promise.all([first.until(shares), second.until(shares)]);
  await produceAir(broker, registry, logs);
  await second.until((commits) => commits > 8);
  second.freeze();
  assert.equal(await first.until((_, tasks) => tasks === all), false, "the survivor takes over");
  second.thaw();
  const ends = await Promise.all([first.until(() => false), second.until(() => false)]);
  assert.deepEqual(ends, [true, true], "the one that hung has joined again");
  expectTheSame(await collectAir(broker, registry));
});

test("a Kafka that stands still or is killed is waited for and told, and nothing is lost", {
  skip,
  timeout: 300_000,
}, async ({ signal }) => {
  await emptyKafka();
  const registry = await fill(broker);
  const [node] = kafka.nodes;
  assert.ok(node !== undefined);
  // Shorter than the pauses by as much as the usual ones are than some minutes.
  const mine = await openKafkaBroker({
    brokers: kafka.brokers,
    clientId: "outlasting",
    requestTimeoutMs: 3_000,
  });
  const told: string[] = [];
  const outages = new Outages((what, error) =>
    told.push(error === null ? `${what} is back` : what),
  );
  let commits = 0;
  let next = () => {};
  const worker = await Worker.start({
    plan: air,
    broker: mine,
    registry,
    mode: { kind: "replay" },
    instanceId: "0",
    sessionTimeoutMs,
    execute: async (_, work) => executeAir(work),
    commitIntervalMs: 20,
    onTrouble: (who, error) => outages.note(who, error),
    onCommit: () => {
      commits++;
      next();
    },
  });
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort());
  const running = worker.run(stop.signal, () => worker.finished(to));
  const endsTooEarly = running.then(() => assert.fail("it has ended before Kafka was away"));
  endsTooEarly.catch(() => {});
  const more = (count: number) => {
    const wanted = commits + count;
    const enough = new Promise<void>((resolve) => {
      next = () => (commits >= wanted ? resolve() : undefined);
    });
    return Promise.race([enough, endsTooEarly]);
  };
  const isTold = async () => {
    while (outages.waitingFor.length === 0) await wait(50);
    assert.deepEqual(outages.waitingFor, ["Kafka"]);
  };
  try {
    await more(5);
    process.kill(node.pid, "SIGSTOP");
    await Promise.all([isTold(), wait(transactionTimeoutMs + 2_000)]);
    process.kill(node.pid, "SIGCONT");
    await more(5);
    assert.deepEqual(told, ["Kafka", "Kafka is back"]);
    await node.kill();
    await Promise.all([isTold(), wait(2 * sessionTimeoutMs)]);
    await kafka.start();
    await running;
  } finally {
    stop.abort();
    await worker.close();
    await mine.close();
  }
  assert.deepEqual(told, ["Kafka", "Kafka is back", "Kafka", "Kafka is back"]);
  expectTheSame(await collectAir(broker, registry));
});

function dataOf(name: string): string {
  return join(directory, `data-${name}`);
}

function shares(_: number, tasks: number): boolean {
  return tasks === all / 2;
}

/** Fills the broker and runs a worker in this process to the end. */
async function runHere(world: Broker): Promise<AirOutput> {
  const registry = await fill(world);
  const worker = await Worker.start({
    plan: air,
    broker: world,
    registry,
    mode: { kind: "replay" },
    instanceId: "0",
    sessionTimeoutMs,
    execute: async (_, work) => executeAir(work),
    commitIntervalMs: 20,
  });
  await worker.run(new AbortController().signal, () => worker.finished(to));
  await worker.close();
  return await collectAir(world, registry);
}

async function fill(world: Broker): Promise<SchemaRegistry> {
  const registry = await prepare(world);
  await produceAir(world, registry, logs);
  return registry;
}

async function prepare(world: Broker): Promise<SchemaRegistry> {
  const registry = createMemoryRegistry();
  await registerAir(world, registry);
  await world.createTopics(air.topics);
  return registry;
}

/** Takes away what an earlier test left; the topics' group offsets go with them. */
async function emptyKafka(): Promise<void> {
  const names = air.topics.map(({ name }) => name);
  await broker.deleteTopics((await broker.describeTopics(names)).map(({ name }) => name));
  while ((await broker.describeTopics(names)).length > 0) await wait(20);
}

function expectTheSame({ output, digest }: AirOutput): void {
  compareAir(output, undisturbed.output, "on Kafka");
  assert.equal(digest, undisturbed.digest, "every record is the same, at the same place");
}

interface WorkerProcess {
  /**
   * Waits until a condition holds after a commit, by commits since the start and tasks owned;
   * returns whether the process finished before.
   *
   * @throws {Error} when it failed.
   */
  until(holds: (commits: number, tasks: number) => boolean): Promise<boolean>;
  /** How often another one took its transactional id. */
  readonly fences: number;
  kill(): Promise<void>;
  /** As when a machine stands still: SIGSTOP. */
  freeze(): void;
  thaw(): void;
}

/** @param name - of a data directory: a worker in the one of an earlier worker takes its place. */
function startWorker(name: string): WorkerProcess {
  const options: WorkerProcessOptions = {
    brokers: kafka.brokers,
    data: dataOf(name),
    to,
    sessionTimeoutMs,
  };
  const program = new URL(`./worker-process-fixture${extension}`, import.meta.url);
  const child = fork(program, [JSON.stringify(options)], { execArgv: [] });
  let commits = 0;
  let tasks = 0;
  let finished = false;
  let fences = 0;
  let look = () => {};
  child.on("message", (message: WorkerProcessMessage) => {
    if (message.kind === "finished") finished = true;
    else if (message.kind === "fenced") fences++;
    else {
      if (message.kind === "commit") commits++;
      tasks = message.tasks;
    }
    look();
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  void ended.then(() => look());
  return {
    until: (holds) =>
      new Promise((resolve, reject) => {
        look = () => {
          if (finished) resolve(true);
          else if (child.exitCode !== null) reject(new Error(`worker ${name} failed`));
          else if (holds(commits, tasks)) resolve(false);
        };
        look();
      }),
    get fences() {
      return fences;
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
  };
}
