import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { markProcess } from "../../broker/embedded/directory-lock.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { serving, spawnDetached, stopDetached } from "./detached-server.ts";
import { freePorts } from "./free-ports.ts";
import { findJava } from "./java.ts";
import { startKafka } from "./kafka.ts";
import { localServerStatus } from "./local-servers.ts";
import { mavenLibraries } from "./maven.ts";
import { startRedis } from "./redis.ts";
import { startServer } from "./server-process.ts";
import { localServerNames, writeServerRecords } from "./server-state.ts";
import { stackEnvironment } from "./stack-environment.ts";
import { tcpProbe } from "./tcp-probe.ts";

const directory = await mkdtemp(join(tmpdir(), "millrace-stack-"));
after(() => rm(directory, { recursive: true, force: true }));

const serve = (port: number): string =>
  `require("node:net").createServer((s) => s.end(String(process.pid))).listen(${port}, "127.0.0.1")`;

test("a Java that is too old is passed over, and none found names the command", async () => {
  const home = join(directory, "java-8");
  await mkdir(join(home, "bin"), { recursive: true });
  await writeFile(join(home, "bin", "java"), "#!/bin/sh\n");
  await chmod(join(home, "bin", "java"), 0o755);
  await writeFile(join(home, "release"), 'JAVA_VERSION="1.8.0_402"\n');
  const environment = { ...stackEnvironment({}), javaHome: home };
  assert.equal(findJava(8, environment).version, 8);
  assert.throws(() => findJava(9_000, environment), {
    code: "STACK_MISSING_JAVA",
    message: /apt-get install/,
  });
});

test("a server that ends the connection without an answer does not answer", {
  timeout: 10_000,
}, async () => {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await assert.rejects(tcpProbe(port, "PING\r\n"), /no answer on port/);
  server.close();
});

test("a server that hangs is up and does not answer, Kafka too", async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  const record = { ...markProcess(process.pid), port };
  const data = join(directory, "hanging");
  writeServerRecords(data, Object.fromEntries(localServerNames.map((name) => [name, record])));
  for (const { name, up, answers } of await localServerStatus({ directory: data })) {
    assert.deepEqual([name, up, answers], [name, true, false]);
  }
  silent.close();
});

test("a file that is not the one that was pinned is refused by name, and nothing of it is kept", async () => {
  const programs = join(directory, "differing");
  const cache = join(directory, "differing-cache");
  await mkdir(programs, { recursive: true });
  const artifact = { group: "g", name: "n", version: "1" };
  const right = createHash("sha256").update("right\n").digest("hex");
  const script = [
    "#!/bin/sh",
    'for each in "$@"; do case "$each" in -DoutputDirectory=*) to=$(echo "$each" | cut -d= -f2);; esac; done',
    'echo "$MADE" > "$to/n-1.jar"',
    'test -z "$MORE" || echo more > "$to/m-1.jar"',
  ].join("\n");
  await writeFile(join(programs, "mvn"), script, { mode: 0o755 });
  const before = { ...process.env };
  Object.assign(process.env, { PATH: `${programs}:${before["PATH"]}`, MILLRACE_CACHE: cache });
  try {
    for (const [made, more, file] of [
      ["other", "", "n-1.jar"],
      ["right", "yes", "m-1.jar"],
    ] as const) {
      Object.assign(process.env, { MADE: made, MORE: more });
      const fetching = mavenLibraries("pinned", [artifact], { "n-1.jar": right });
      await assert.rejects(fetching, {
        code: "STACK_FETCH_DIFFERS",
        message: new RegExp(`^${file} `),
      });
      assert.deepEqual(await readdir(cache), []);
    }
    Object.assign(process.env, { MADE: "right", MORE: "" });
    const folder = await mavenLibraries("pinned", [artifact], { "n-1.jar": right });
    assert.deepEqual(await readdir(folder), ["n-1.jar", "pom.xml"]);
  } finally {
    process.env = before;
  }
});

test("a fetch that fails says what Maven said, or how it ended, and leaves nothing", async () => {
  const programs = join(directory, "programs");
  const cache = join(directory, "cache");
  await mkdir(programs, { recursive: true });
  const { PATH: path, MILLRACE_CACHE: before } = process.env as Record<string, string>;
  process.env["PATH"] = `${programs}:${path}`;
  process.env["MILLRACE_CACHE"] = cache;
  try {
    for (const [script, message] of [
      ["echo 'no such artifact'; exit 1", /no such artifact/],
      ["exit 3", /Command failed: mvn/],
    ] as const) {
      await writeFile(join(programs, "mvn"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const artifact = { group: "g", name: "n", version: "1" };
      const fetching = mavenLibraries("nothing", [artifact], {});
      await assert.rejects(fetching, { code: "STACK_FETCH_FAILED", message });
      assert.deepEqual(await readdir(cache), []);
    }
  } finally {
    process.env["PATH"] = path;
    if (before === undefined) delete process.env["MILLRACE_CACHE"];
    else process.env["MILLRACE_CACHE"] = before;
  }
});

test("a server is killed, started again with its port, and stopped", async () => {
  const [port = 0] = await freePorts(1);
  const server = await startServer({
    name: "echo",
    command: process.execPath,
    args: ["-e", serve(port)],
    directory,
    logFile: join(directory, "echo.log"),
    probe: async () => void (await tcpProbe(port, "?")),
  });
  const first = server.pid;
  assert.equal(Number(await tcpProbe(port, "?")), first);
  await server.kill();
  assert.equal(server.running, false);
  await server.start();
  assert.notEqual(server.pid, first);
  await server.stop();
  await assert.rejects(tcpProbe(port, "?"));
});

test("a server does not get our settings, among which are passwords", async () => {
  process.env["MILLRACE_KAFKA_PASSWORD"] = "secret-of-this-test-1";
  process.env["OTHER_VARIABLE"] = "passed on";
  try {
    const script = "console.log(JSON.stringify(process.env)); setInterval(() => {}, 1000)";
    const optionsOf = (name: string) => {
      const logFile = join(directory, `${name}.log`);
      const log = () => readFileSync(logFile, "utf8");
      const probe = async () => assert.match(log(), /passed on.*\n/);
      const args = ["-e", script];
      return { name, command: process.execPath, args, directory, logFile, log, probe };
    };
    const child = optionsOf("child");
    await (await startServer(child)).stop();
    assert.doesNotMatch(child.log(), /secret-of-this-test/);
    const detached = optionsOf("detached");
    const mark = await spawnDetached(detached);
    await serving(detached, mark);
    await stopDetached(mark);
    assert.doesNotMatch(detached.log(), /secret-of-this-test/);
  } finally {
    delete process.env["MILLRACE_KAFKA_PASSWORD"];
    delete process.env["OTHER_VARIABLE"];
  }
});

test("a server that dies at once shows the end of its log", async () => {
  const starting = startServer({
    name: "broken",
    command: process.execPath,
    args: ["-e", 'console.error("no such setting"); process.exit(3)'],
    directory,
    logFile: join(directory, "broken.log"),
    probe: () => Promise.reject(new Error("not yet")),
  });
  await assert.rejects(starting, { code: "STACK_START_FAILED", message: /no such setting/ });
});

test("a server dies with the process that started it, SIGKILL included", async () => {
  const [port = 0] = await freePorts(1);
  const module = new URL("./server-process.js", import.meta.url).href;
  const options = {
    name: "orphan",
    command: process.execPath,
    args: ["-e", serve(port)],
    directory,
    logFile: join(directory, "orphan.log"),
  };
  const program = `
    const { startServer } = await import(${JSON.stringify(module)});
    const options = ${JSON.stringify(options)};
    await startServer({ ...options, probe: async () => {} });
    await new Promise(() => setInterval(() => {}, 1000));`;
  const parent = execFile(process.execPath, ["--input-type=module", "-e", program]);
  for (;;) {
    const answers = await tcpProbe(port, "?").then(Number, () => 0);
    if (answers > 0) {
      break;
    }
    await wait(20);
  }
  parent.kill("SIGKILL");
  while (await tcpProbe(port, "?").then(Number, () => 0)) {
    await wait(20);
  }
});

test("a Kafka whose directory cannot be formatted says why", {
  skip: requirement("java", "maven"),
}, async () => {
  const formatArgs = ["--no-such-option"];
  const starting = startKafka({ directory: join(directory, "kafka"), formatArgs });
  await assert.rejects(starting, { code: "STACK_START_FAILED", message: /no-such-option/ });
});

test("Redis answers, and starts again after kill -9", {
  skip: requirement("redis-server"),
}, async () => {
  const redis = await startRedis({ directory: join(directory, "redis") });
  assert.match(await tcpProbe(redis.port, "PING\r\n"), /PONG/);
  await redis.kill();
  await redis.start();
  assert.match(await tcpProbe(redis.port, "PING\r\n"), /PONG/);
  await redis.stop();
});
