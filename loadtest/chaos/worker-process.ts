import { join } from "node:path";
import { packError } from "../../cli/run/worker-messages.ts";
import { Application } from "../../runtime/hosting/application.ts";
import { instanceOf } from "../../runtime/hosting/member.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { frontPassword, frontUser } from "../../sinks/chdb/front-password.ts";
import { clickHousePasswordFile } from "../../stacks/local/clickhouse.ts";
import { loopbackAccess, openServers } from "../../stacks/open-servers.ts";
import { flights } from "../../topologies/flights/flights.ts";
import { type ChaosCommand, type ChaosMessage, chaosMember, type WorkerStart } from "./messages.ts";
import { TrapGate } from "./trap-gate.ts";
import { TrappedBroker } from "./trapped-broker.ts";
import { TrappedOffline, TrappedOnline } from "./trapped-stores.ts";

/*
 * One of the workers that are killed: the product on the clients of the local stack, with traps
 * around them. Its parent says where it is to stop; it dies with its parent.
 */

/** Time between two reports, ms. */
const reportEveryMs = 250;

function tell(message: ChaosMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => resolve());
  });
}

const gate = new TrapGate((point, where, held) => {
  void tell({ kind: "reached", point, where, held });
});
const stop = new AbortController();
let asked: number | null = null;
let running = false;

async function openStack(start: WorkerStart): Promise<Stack> {
  const { directory, ports, control, sessionTimeoutMs } = start;
  const closing: (() => Promise<void>)[] = [];
  const file = clickHousePasswordFile(join(directory, "clickhouse"));
  const clickhouse = { user: frontUser, password: await frontPassword(file) };
  const parts = await openServers(
    loopbackAccess(ports, clickhouse),
    // As on a machine of its own: nothing but the servers is shared.
    join(directory, "workers", String(process.pid)),
    { kind: "clickhouse" },
    (part) => {
      closing.push(() => part.close());
      return part;
    },
  );
  const changelogs = new Set(flights.subtopologies.map(({ changelog }) => changelog));
  const outputs = new Set(
    flights.topics.flatMap(({ name, role }) => (role === "output" ? [name] : [])),
  );
  const broker = new TrappedBroker({
    inner: parts.broker,
    gate,
    isChangelog: (topic) => changelogs.has(topic),
    isOutput: (topic) => outputs.has(topic),
    sessionTimeoutMs,
    withoutTransactions: control === "transactions",
  });
  const online = new TrappedOnline(parts.online, gate, {
    withoutFence: control === "fence",
    onWentOn: (error) =>
      void tell({ kind: "went-on", error: error === null ? null : String(error) }),
  });
  const offline = new TrappedOffline(parts.offline, gate, { freshTokens: control === "token" });
  return {
    ...parts,
    kind: "local",
    broker,
    online,
    offline,
    files: offline,
    pids: () => [],
    close: async () => {
      for (const close of closing.toReversed()) await close();
    },
  };
}

function report(application: Application, round: number | null): void {
  const { commits, committedRecords } = application.status;
  const { instances } = application;
  const tasks = application.tasks();
  void tell({ kind: "status", round, commits, committedRecords, tasks, instances });
}

async function run(start: WorkerStart): Promise<void> {
  if (start.trap !== null) gate.arm(start.trap);
  const stack = await openStack(start);
  const application = await Application.start({
    plan: flights,
    stack,
    mode: { kind: "replay" },
    // Traps wait for writes, and nobody for the end.
    blockAgeMs: 1_000,
    instanceId: instanceOf(chaosMember, start.worker),
    onOutage: (what, error) =>
      void tell({ kind: "trouble", what: `${what}: ${error ?? "it is there again"}` }),
  });
  running = true;
  void tell({ kind: "up" });
  const reporting = setInterval(() => report(application, null), reportEveryMs);
  await application.run(stop.signal, start.to, {
    quiet: () => {
      if (asked !== null) report(application, asked);
      asked = null;
      return false;
    },
    drained: () => {},
  });
  clearInterval(reporting);
  await application.close();
  await stack.close();
}

async function main(start: WorkerStart): Promise<void> {
  try {
    await run(start);
    process.exit(0);
  } catch (error) {
    await tell({ kind: "failed", failure: packError(error) });
    process.exit(1);
  }
}

function take(command: ChaosCommand): void {
  if (command.kind === "start") void main(command.start);
  else if (command.kind === "arm") gate.arm(command.trap);
  else if (command.kind === "release") gate.release();
  else if (command.kind === "ask") asked = command.round;
  else if (running) stop.abort();
  else process.exit(0);
}

// Ctrl-C reaches the whole process group; the parent says when to stop.
for (const name of ["SIGINT", "SIGHUP"] as const) process.on(name, () => {});
process.once("disconnect", () => process.exit(1));
process.on("message", take);
