import { createServer, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import kafkajs from "kafkajs";
import { type SaslKafka, startSaslKafka } from "../broker/kafka/sasl-kafka-fixture.ts";
import { frontPassword, frontUser } from "../sinks/chdb/front-password.ts";
import { startApicurio } from "../stacks/local/apicurio.ts";
import { clickHousePasswordFile, clickHouseServer } from "../stacks/local/clickhouse.ts";
import { freePorts } from "../stacks/local/free-ports.ts";
import { startRedis } from "../stacks/local/redis.ts";
import { startServer } from "../stacks/local/server-process.ts";
import { kafkaRights, redisRights } from "./least-rights-fixture.ts";
import { type Certificate, makeCertificate, startSecureFront } from "./secure-front-fixture.ts";

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, Kafka, logLevel } = kafkajs;

/** One user a server, each with a password of its own, and no more rights than a run needs. */
export const users = {
  kafka: { username: "kafka-runner", password: "kafka-pass-4711" },
  registry: { username: "registry-runner", password: "registry-pass-4712" },
  redis: { username: "redis-runner", password: "redis-pass-4713" },
  clickhouse: { username: "clickhouse-runner", password: "clickhouse-pass-4714" },
} as const;

/**
 * The four servers, each behind TLS and a user; Kafka, registry and Redis want a certificate of the
 * client too. Inside, on other ports, they want nothing.
 */
export interface SecuredServers {
  /** Settings that reach them, passwords apart. */
  readonly settings: Readonly<Record<string, string>>;
  /** Ports of the same servers in plain text, as a compose stack has them. */
  readonly plain: Readonly<Record<"kafka" | "registry" | "redis" | "clickhouse", number>>;
  stop(): Promise<void>;
}

/** Starts them in `directory`. */
export async function startSecuredServers(directory: string): Promise<SecuredServers> {
  const certificate = await makeCertificate(join(directory, "tls"));
  const stops: (() => Promise<void>)[] = [];
  const [kafka, registry, redis, clickhouse] = await Promise.all([
    kafkaServer(join(directory, "kafka"), certificate, stops),
    registryServer(join(directory, "registry"), certificate, stops),
    redisServer(join(directory, "redis"), certificate, stops),
    clickHouse(join(directory, "clickhouse"), certificate, stops),
  ]);
  const { certFile: authority, keyFile } = certificate;
  return {
    settings: {
      MILLRACE_KAFKA_BROKERS: `127.0.0.1:${kafka.secure}`,
      MILLRACE_KAFKA_TLS: "true",
      MILLRACE_KAFKA_CA_FILE: kafka.caFile,
      MILLRACE_KAFKA_CERT_FILE: authority,
      MILLRACE_KAFKA_KEY_FILE: keyFile,
      MILLRACE_KAFKA_SASL: "scram-sha-256",
      MILLRACE_KAFKA_USER: users.kafka.username,
      MILLRACE_REGISTRY_URL: `https://127.0.0.1:${registry.secure}/apis/ccompat/v7`,
      MILLRACE_REGISTRY_CA_FILE: authority,
      MILLRACE_REGISTRY_CERT_FILE: authority,
      MILLRACE_REGISTRY_KEY_FILE: keyFile,
      MILLRACE_REGISTRY_USER: users.registry.username,
      MILLRACE_REDIS_URL: `rediss://127.0.0.1:${redis.secure}`,
      MILLRACE_REDIS_CA_FILE: authority,
      MILLRACE_REDIS_CERT_FILE: authority,
      MILLRACE_REDIS_KEY_FILE: keyFile,
      MILLRACE_REDIS_USER: users.redis.username,
      MILLRACE_CLICKHOUSE_URL: `https://127.0.0.1:${clickhouse.secure}`,
      MILLRACE_CLICKHOUSE_CA_FILE: authority,
      MILLRACE_CLICKHOUSE_USER: users.clickhouse.username,
    },
    plain: {
      kafka: kafka.plain,
      registry: registry.plain,
      redis: redis.plain,
      clickhouse: clickhouse.plain,
    },
    stop: async () => {
      await Promise.all(stops.map((stop) => stop()));
    },
  };
}

/** Ports of a server with and without TLS. */
interface Doors {
  readonly secure: number;
  readonly plain: number;
}

type Stops = (() => Promise<void>)[];

async function kafkaServer(
  directory: string,
  client: Certificate,
  stops: Stops,
): Promise<Doors & { caFile: string }> {
  const [plain = 0] = await freePorts(1);
  const sasl = await startSaslKafka(directory, { users: [users.kafka], plainPort: plain, client });
  stops.push(() => sasl.kafka.kill());
  await grantRights(sasl);
  const secure = Number(sasl.kafka.brokers[0]?.split(":")[1]);
  return { secure, plain, caFile: sasl.caFile };
}

async function grantRights({ kafka, access }: SaslKafka): Promise<void> {
  const client = new Kafka({
    clientId: "rights",
    brokers: [...kafka.brokers],
    ssl: access.ssl ?? true,
    sasl: access.sasl,
    logLevel: logLevel.NOTHING,
  });
  const admin = client.admin();
  await admin.connect();
  await admin.createAcls({
    acl: kafkaRights.flatMap(({ resource, name, prefixed, operations }) =>
      operations.map((operation) => ({
        resourceType: resourceTypes[resource],
        resourceName: name,
        // Of Kafka's protocol: 3 literal, 4 prefixed.
        resourcePatternType: prefixed ? 4 : 3,
        principal: `User:${users.kafka.username}`,
        host: "*",
        operation: operationTypes[operation],
        permissionType: AclPermissionTypes.ALLOW,
      })),
    ),
  });
  await admin.disconnect();
}

const resourceTypes = {
  topic: AclResourceTypes.TOPIC,
  group: AclResourceTypes.GROUP,
  "transactional-id": AclResourceTypes.TRANSACTIONAL_ID,
} as const;

const operationTypes = {
  Create: AclOperationTypes.CREATE,
  Delete: AclOperationTypes.DELETE,
  DescribeConfigs: AclOperationTypes.DESCRIBE_CONFIGS,
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
} as const;

async function registryServer(
  directory: string,
  certificate: Certificate,
  stops: Stops,
): Promise<Doors> {
  const apicurio = await startApicurio({ directory });
  stops.push(() => apicurio.kill());
  const refuse = (response: ServerResponse) => {
    response.writeHead(401, { "content-type": "application/json" });
    response.end(JSON.stringify({ error_code: 401, message: "Unauthorized" }));
  };
  const user = users.registry;
  const guard = { certificate, clientCertificate: true, user, refuse };
  const front = await startSecureFront({ behind: apicurio.port, ...guard });
  stops.push(() => front.close());
  return { secure: front.port, plain: apicurio.port };
}

/** TLS and users are Redis's own. */
async function redisServer(
  directory: string,
  { certFile, keyFile }: Certificate,
  stops: Stops,
): Promise<Doors> {
  const [secure = 0] = await freePorts(1);
  const { username, password } = users.redis;
  const redis = await startRedis({
    directory,
    args: [
      ...[
        "--tls-port",
        String(secure),
        "--tls-auth-clients",
        "yes",
        "--tls-ca-cert-file",
        certFile,
      ],
      ...["--tls-cert-file", certFile, "--tls-key-file", keyFile],
      ...["--user", username, "on", `>${password}`, ...redisRights.split(" ")],
    ],
  });
  stops.push(() => redis.stop());
  return { secure, plain: redis.port };
}

async function clickHouse(
  directory: string,
  certificate: Certificate,
  stops: Stops,
): Promise<Doors> {
  const [plain = 0] = await freePorts(1);
  const options = { directory, port: plain, maxMemoryBytes: 2 ** 30 };
  const server = await startServer(await clickHouseServer(options));
  stops.push(() => server.kill());
  const reason =
    "Code: 516. DB::Exception: Authentication failed: password is incorrect, or there is no " +
    "user with such name. (AUTHENTICATION_FAILED) (version 26.3.1.1)\n";
  const refuse = (response: ServerResponse) => {
    response.writeHead(403, { "x-clickhouse-exception-code": "516" }).end(reason);
  };
  const user = users.clickhouse;
  const key = await frontPassword(clickHousePasswordFile(directory));
  const onward = { "x-clickhouse-user": frontUser, "x-clickhouse-key": key };
  const front = await startSecureFront({ behind: plain, certificate, user, refuse, onward });
  stops.push(() => front.close());
  const open = await openDoor(plain, onward);
  stops.push(async () => void open.close());
  return { secure: front.port, plain: (open.address() as AddressInfo).port };
}

/** A door without user or password, as that of the compose stack: it shows those given. */
async function openDoor(behind: number, shown: Readonly<Record<string, string>>): Promise<Server> {
  const door = createServer((incoming, response) => {
    const { method, url: path } = incoming;
    const headers = { ...incoming.headers, ...shown, host: `127.0.0.1:${behind}` };
    delete headers.authorization;
    const onward = request({ host: "127.0.0.1", port: behind, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.once("error", () => response.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((done) => door.listen(0, "127.0.0.1", done));
  return door;
}
