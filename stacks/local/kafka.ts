import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeWhole } from "../../runtime/hosting/write-whole.ts";
import { archiveFlags } from "./class-archive.ts";
import { freePorts } from "./free-ports.ts";
import { findJava, type Java } from "./java.ts";
import { formatDirectory } from "./kafka-format.ts";
import { type KafkaAccess, kafkaReady } from "./kafka-ready.ts";
import { mavenLibraries } from "./maven.ts";
import { kafkaPins } from "./pinned-jars.ts";
import { type ServerOptions, type ServerProcess, startServer } from "./server-process.ts";
import { tcpProbe } from "./tcp-probe.ts";

/** Version of Apache Kafka that the local stack runs. */
export const kafkaVersion = "4.3.1";

/** A local Kafka: where its data lives and what differs from the defaults. */
export interface KafkaStackOptions {
  readonly directory: string;
  /** Port of the first node; the others take free ones. @default a free port */
  readonly port?: number;
  /** Combined broker and controller nodes. @default 1 */
  readonly nodes?: 1 | 3;
  /** More lines of server.properties, over ours. `{port}` stands for the node's. @default {} */
  readonly settings?: Readonly<Record<string, string>>;
  /** How to connect when the settings ask for TLS or a password. @default plain text */
  readonly access?: KafkaAccess;
  /** Heap of one node. @default 512 for one node, 384 for three */
  readonly heapMiB?: number;
  /** Arguments of the format command, e.g. `["--add-scram", …]`. @default [] */
  readonly formatArgs?: readonly string[];
}

/** A running Kafka on 127.0.0.1. Data stay in the directory over `stop` and `start`. */
export interface KafkaStack {
  /** `host:port` of every node. */
  readonly brokers: readonly string[];
  /** One process a node, in the order of `brokers`. */
  readonly nodes: readonly ServerProcess[];
  start(): Promise<void>;
  stop(): Promise<void>;
  /** SIGKILL of every node. */
  kill(): Promise<void>;
}

interface Node {
  readonly id: number;
  readonly port: number;
  readonly controllerPort: number;
}

/**
 * Fetches Kafka from Maven Central into the cache, formats the directory where it is new, starts
 * the nodes and waits until a transaction commits. First start about ten seconds with the fetch,
 * then three to five.
 *
 * @throws {MillraceError} STACK_MISSING_JAVA (17 or newer), STACK_MISSING_MAVEN,
 * STACK_FETCH_FAILED, STACK_START_FAILED.
 */
export async function startKafka(options: KafkaStackOptions): Promise<KafkaStack> {
  const programs = await kafkaPrograms();
  const layout = await layoutOf(options);
  const brokers = layout.map((node) => `127.0.0.1:${node.port}`);
  const nodes = await Promise.all(
    layout.map(async (node) => startServer(await nodeServer(options, node, layout, programs))),
  );
  const stack: KafkaStack = {
    brokers,
    nodes,
    async start() {
      await Promise.all(nodes.map((node) => node.start()));
      await kafkaReady(brokers, options.access ?? {});
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
    async kill() {
      await Promise.all(nodes.map((node) => node.kill()));
    },
  };
  try {
    await kafkaReady(brokers, options.access ?? {});
  } catch (error) {
    await stack.kill();
    throw error;
  }
  return stack;
}

/**
 * How to start a Kafka of one node: fetched, and its directory formatted where that is new. The
 * probe says that it listens; `kafkaReady` waits for the rest.
 *
 * @throws {MillraceError} STACK_MISSING_JAVA, STACK_MISSING_MAVEN, STACK_FETCH_FAILED.
 */
export async function kafkaServer(
  options: Omit<KafkaStackOptions, "nodes">,
): Promise<ServerOptions> {
  const programs = await kafkaPrograms();
  const layout = await layoutOf(options);
  const [node] = layout as [Node];
  return await nodeServer(options, node, layout, programs);
}

interface Programs {
  readonly java: Java;
  /** Folder of Kafka's jars. */
  readonly jars: string;
}

/**
 * Java and Kafka's jars, fetched into the cache.
 *
 * @throws {MillraceError} STACK_MISSING_JAVA, STACK_MISSING_MAVEN, STACK_FETCH_FAILED.
 */
export async function kafkaPrograms(): Promise<Programs> {
  const java = findJava(17);
  const artifacts = [
    { group: "org.apache.kafka", name: "kafka_2.13", version: kafkaVersion },
    { group: "org.slf4j", name: "slf4j-simple", version: "1.7.36" },
  ];
  const jars = await mavenLibraries(`kafka-${kafkaVersion}`, artifacts, kafkaPins);
  return { java, jars };
}

async function layoutOf(options: KafkaStackOptions): Promise<Node[]> {
  const count = options.nodes ?? 1;
  const free = await freePorts(2 * count);
  const nodes: Node[] = [];
  for (let index = 0; index < count; index++) {
    const port = index === 0 && options.port !== undefined ? options.port : (free[2 * index] ?? 0);
    nodes.push({ id: index + 1, port, controllerPort: free[2 * index + 1] ?? 0 });
  }
  return nodes;
}

async function nodeServer(
  options: KafkaStackOptions,
  node: Node,
  layout: readonly Node[],
  { java, jars }: Programs,
): Promise<ServerOptions> {
  const directory = join(options.directory, `kafka-${node.id}`);
  const properties = join(directory, "server.properties");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeWhole(properties, propertiesOf(options, node, layout, directory));
  const classpath = join(jars, "*");
  const { formatArgs = [], settings = {} } = options;
  const usual = layout.length === 1 && formatArgs.length + Object.keys(settings).length === 0;
  const { id: nodeId } = node;
  await formatDirectory({ java, jars, nodeId, directory, args: formatArgs, usual });
  const heap = options.heapMiB ?? (layout.length === 1 ? 512 : 384);
  return {
    name: `Kafka node ${node.id}`,
    command: java.executable,
    args: [
      // The optimizing compiler takes a third of a node's time in its first minute.
      ...[`-Xmx${heap}m`, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
      ...[...archiveFlags(java, jars), "-cp", classpath, "kafka.Kafka", properties],
    ],
    directory,
    logFile: join(directory, "server.log"),
    // Ready to take a connection; that the whole answers is checked by a transaction.
    probe: async () => {
      await tcpProbe(node.port, "");
    },
  };
}

/** What the node of a stack of one sets wherever it runs; the rest says where it is. */
export const singleNodeProperties: Readonly<Record<string, string>> = commonProperties(1);

function commonProperties(nodes: number): Record<string, string> {
  const factor = String(nodes);
  const inSync = nodes === 1 ? "1" : "2";
  return {
    "process.roles": "broker,controller",
    "offsets.topic.replication.factor": factor,
    "transaction.state.log.replication.factor": factor,
    "transaction.state.log.min.isr": inSync,
    "share.coordinator.state.topic.replication.factor": factor,
    "share.coordinator.state.topic.min.isr": inSync,
    "default.replication.factor": factor,
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "auto.create.topics.enable": "false",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.retention.ms": "-1",
    // Ten years: a pump whose offset is forgotten stores its topic twice.
    "offsets.retention.minutes": "5256000",
    // As Kafka has it: a node that stands still for less goes on as if nothing had been, and one
    // that was killed registers again only when its old session is over.
    "broker.session.timeout.ms": "9000",
    "broker.heartbeat.interval.ms": "2000",
  };
}

function propertiesOf(
  options: KafkaStackOptions,
  node: Node,
  layout: readonly Node[],
  directory: string,
): string {
  const address = `127.0.0.1:${node.port}`;
  const properties: Record<string, string> = {
    "node.id": String(node.id),
    listeners: `PLAINTEXT://${address},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    "advertised.listeners": `PLAINTEXT://${address}`,
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.voters": layout
      .map((each) => `${each.id}@127.0.0.1:${each.controllerPort}`)
      .join(","),
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": join(directory, "data"),
    ...commonProperties(layout.length),
    ...options.settings,
  };
  const lines = Object.entries(properties).map(
    ([name, value]) =>
      `${name}=${value
        .replaceAll("{port}", String(node.port))
        .replaceAll("{controllerPort}", String(node.controllerPort))}`,
  );
  return `${lines.join("\n")}\n`;
}
