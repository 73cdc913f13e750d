import { openKafkaBroker } from "../broker/kafka/kafka-broker.ts";
import type { ServerAccess } from "../runtime/config/server-access.ts";
import { openConfluentRegistry } from "../runtime/schema-registry/confluent.ts";
import { MillraceError } from "../schemas/errors.ts";
import { openClickHouse } from "../sinks/clickhouse/clickhouse.ts";
import { openRedisStore } from "../sinks/redis/redis.ts";

/** Stacks whose servers others run. */
export type ServersKind = "compose" | "cluster";

const silent = { error() {}, warn() {}, info() {}, debug() {} };

const remedies: Readonly<Record<ServersKind, string>> = {
  compose:
    "Start them with docker compose up -d --wait; docker compose ps says which is down. Where " +
    "their ports are others, set MILLRACE_KAFKA_PORT and its like for both.",
  cluster:
    "Check the addresses, that the servers run, and that TLS and users here are as there " +
    "(docs/operations.md).",
};

/**
 * Asks each server something small as the user that will work there.
 *
 * @param timeoutMs - a server that is not reached by then is told; Kafka's client tries for twice
 * as long. @default 4000
 * @throws {MillraceError} STACK_UNREACHABLE naming every server that cannot be used, and why; its
 * context says whether waiting may mend that (`mayPass`).
 */
export async function checkServers(
  stack: ServersKind,
  access: ServerAccess,
  timeoutMs = 4_000,
): Promise<void> {
  const checks = {
    Kafka: kafka,
    "Schema registry": registry,
    Redis: redis,
    ClickHouse: clickhouse,
  };
  const problems: string[] = [];
  let mayPass = true;
  await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        await check(access, timeoutMs);
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        mayPass &&= error.policy === "retry";
        problems.push(`- ${name}: ${error.code}: ${error.message}`);
      }
    }),
  );
  if (problems.length === 0) return;
  throw new MillraceError("STACK_UNREACHABLE", {
    stack,
    count: problems.length,
    problems: problems.sort().join("\n"),
    remedy: remedies[stack],
    mayPass,
  });
}

async function kafka(access: ServerAccess, timeoutMs: number): Promise<void> {
  const broker = await openKafkaBroker({
    ...access.kafka,
    clientId: "millrace-check",
    requestTimeoutMs: timeoutMs,
    logger: silent,
  });
  await broker.close();
}

async function registry(access: ServerAccess, timeoutMs: number): Promise<void> {
  const client = openConfluentRegistry({ ...access.registry, retries: 0, timeoutMs });
  try {
    await client.latest("millrace-check");
  } finally {
    await client.close();
  }
}

async function redis(access: ServerAccess, timeoutMs: number): Promise<void> {
  const store = await openRedisStore({ ...access.redis, timeoutMs });
  try {
    await store.read([{ view: "check@1", entityKey: "", partition: 0 }]);
  } finally {
    await store.close();
  }
}

async function clickhouse(access: ServerAccess, timeoutMs: number): Promise<void> {
  const store = openClickHouse({ ...access.clickhouse, requestTimeoutMs: timeoutMs });
  try {
    await store.query("SELECT 1");
  } catch (error) {
    // The database is made by the first run: a server that refuses the statement answers.
    const refused = error instanceof MillraceError && error.code === "OFFLINE_QUERY_FAILED";
    if (!refused) throw error;
  } finally {
    await store.close();
  }
}
