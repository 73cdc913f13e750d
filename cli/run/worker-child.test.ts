import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { WorkerChild, type WorkerEvents } from "./worker-child.ts";
import type { WorkerCommand } from "./worker-messages.ts";

const extension = extname(fileURLToPath(import.meta.url));
const fixture = new URL(`./dying-worker-fixture${extension}`, import.meta.url);

function worker(id: string, events: Partial<WorkerEvents>): WorkerChild {
  const nothing: WorkerEvents = { started: () => {}, said: () => {}, died: () => {} };
  const start = { module: "app.js", plan: "plan", until: 0, member: "m" };
  const config = { plain: {}, secrets: {} };
  const greeting = () => [{ ...start, kind: "start", config, worker: id } as const];
  return new WorkerChild(id, greeting, { ...nothing, ...events }, fixture);
}

test("a worker that dies before it commits anything is given up after six times", async () => {
  const deaths: string[] = [];
  const quick = worker("quick", { died: (_, how) => deaths.push(how) });
  await assert.rejects(quick.run(), {
    code: "WORKER_DIED",
    message: /Worker quick died 6 times in a row.*was killed by SIGKILL/,
  });
  assert.deepEqual(deaths, Array(5).fill("was killed by SIGKILL"));
});

test("one that commits something each time is started again as often as it takes", async () => {
  const pids = new Set<number>();
  const thriving = worker("thriving", {
    started: (_, pid) => pids.add(pid),
    said: (each, message) => {
      if (message.kind === "status" && message.commits > 0) each.thrives();
    },
    died: (each) => {
      if (pids.size === 9) each.stop();
    },
  });
  await thriving.run();
  assert.equal(pids.size, 9);
});

test("an error that a worker tells ends it for good, as that error", async () => {
  let deaths = 0;
  const failing = worker("failing", { died: () => deaths++ });
  await assert.rejects(failing.run(), { code: "DATA_LOCKED", context: { pid: 7 } });
  assert.equal(deaths, 0);
});

test("what its group throws at it ends it for good, with its process", async () => {
  const broken = new RangeError("the group broke");
  const fail = () => {
    throw broken;
  };
  for (const [id, events] of [
    ["loyal", { started: fail }],
    ["thriving", { said: fail }],
  ] as const) {
    let pid = 0;
    const started = (each: WorkerChild, of: number) => {
      pid = of;
      if ("started" in events) events.started();
      else assert.equal(each.pid, of);
    };
    const child = worker(id, { ...events, started });
    await assert.rejects(child.run(), broken);
    assert.equal(child.pid, null);
    assert.throws(() => process.kill(pid, 0), /ESRCH/);
  }
});

test("a greeting that cannot be sent ends it for good, with its process", async () => {
  const live = { kind: "start", config: { plain: { listen: () => {} }, secrets: {} } };
  const greeting = () => [live as unknown as WorkerCommand];
  const nothing: WorkerEvents = { started: () => {}, said: () => {}, died: () => {} };
  const child = new WorkerChild("loyal", greeting, nothing, fixture);
  await assert.rejects(child.run(), { name: "Error", message: /could not be cloned/ });
  assert.equal(child.pid, null);
});

test("a worker that is told to stop ends, and is not started again", async () => {
  let deaths = 0;
  const loyal = worker("loyal", {
    started: (each) => setImmediate(() => each.stop()),
    died: () => deaths++,
  });
  await loyal.run();
  assert.deepEqual([deaths, loyal.pid], [0, null]);
});

test("a worker that was never told what to run ends when it is told to stop", async () => {
  let deaths = 0;
  const idle = new WorkerChild("idle", () => [], {
    ...{ started: (each) => setImmediate(() => each.stop()), said: () => {} },
    died: () => deaths++,
  });
  const began = performance.now();
  await idle.run();
  assert.deepEqual([deaths, idle.pid], [0, null]);
  assert.ok(performance.now() - began < 50_000, "one that hangs is killed after a minute");
});

test("an error that nobody catches ends a run with code 1, and its workers with it", {
  timeout: 60_000,
}, async () => {
  const module = JSON.stringify(new URL(`./worker-child${extension}`, import.meta.url).href);
  const text = `import { WorkerChild } from ${module};
const fail = () => { throw new RangeError("a defect"); };
const started = (_, pid) => { console.log(pid); setImmediate(fail); };
void new WorkerChild("0", () => [], { started, said() {}, died() {} }).run();`;
  const parent = spawn(process.execPath, ["--input-type=module", "--eval", text]);
  let [out, err] = ["", ""];
  parent.stdout.setEncoding("utf8").on("data", (told: string) => {
    out += told;
  });
  parent.stderr.setEncoding("utf8").on("data", (told: string) => {
    err += told;
  });
  // Its worker holds its standard output: that is closed once it has ended, too.
  const [code] = (await once(parent, "close")) as [number];
  assert.equal(code, 1);
  assert.match(err, /RangeError: a defect/);
  assert.ok(Number(out) > 0);
});

test("the process of a worker has no setting in its environment, and so no password", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millrace-child-"));
  const program = join(folder, "tell.mjs");
  const told = join(folder, "told.json");
  const text = `import { writeFileSync } from "node:fs";
writeFileSync(${JSON.stringify(told)}, JSON.stringify(process.env));`;
  await writeFile(program, text);
  process.env["MILLRACE_REDIS_PASSWORD"] = "hidden";
  try {
    const child = new WorkerChild(
      "w",
      () => [],
      { started: () => {}, said: () => {}, died: (each) => each.stop() },
      pathToFileURL(program),
    );
    await child.run();
    const env = JSON.parse(await readFile(told, "utf8")) as Record<string, string>;
    assert.equal(env["PATH"], process.env["PATH"]);
    assert.deepEqual(
      Object.keys(env).filter((name) => name.startsWith("MILLRACE_")),
      [],
    );
  } finally {
    delete process.env["MILLRACE_REDIS_PASSWORD"];
    await rm(folder, { recursive: true });
  }
});
