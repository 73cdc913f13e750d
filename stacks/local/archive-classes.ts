/**
 * Archives the classes that the Java servers of the local stack load at their start: each start
 * then takes some two seconds of CPU less. Worth it where servers start by the dozen, as in CI.
 *
 * node dist/stacks/local/archive-classes.js
 */
import { existsSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { apicurioPrograms, apicurioServer } from "./apicurio.ts";
import { classArchive } from "./class-archive.ts";
import { freePorts } from "./free-ports.ts";
import { kafkaPrograms, kafkaServer } from "./kafka.ts";
import { kafkaReady } from "./kafka-ready.ts";
import { type ServerOptions, startServer } from "./server-process.ts";

/** Runs a server until it serves, and once more has used what `use` asks for, and ends it. */
async function archive(options: ServerOptions, file: string, use: () => Promise<void>) {
  if (existsSync(file)) return;
  const written = `${file}.${process.pid}`;
  const flag = `-XX:ArchiveClassesAtExit=${written}`;
  const server = await startServer({ ...options, args: [flag, ...options.args] });
  try {
    await use();
    // It writes while it ends, for as long as that takes.
    process.kill(server.pid, "SIGTERM");
    while (server.running) await wait(50);
    await rename(written, file);
  } finally {
    await server.kill();
    await rm(written, { force: true });
  }
}

const directory = await mkdtemp(join(tmpdir(), "millrace-classes-"));
try {
  const [kafkaPort = 0, registryPort = 0] = await freePorts(2);
  const kafka = await kafkaPrograms();
  await archive(
    await kafkaServer({ directory: join(directory, "kafka"), port: kafkaPort }),
    classArchive(kafka.java, kafka.jars),
    () => kafkaReady([`127.0.0.1:${kafkaPort}`], {}),
  );
  const registry = await apicurioPrograms();
  await archive(
    await apicurioServer({ directory: join(directory, "registry"), port: registryPort }),
    classArchive(registry.java, registry.home),
    async () => {},
  );
} finally {
  await rm(directory, { recursive: true, force: true });
}
