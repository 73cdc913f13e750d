/**
 * Transactions and reads of 200-byte records on a real Kafka: this adapter against kafkajs's own
 * API, each in a process of its own, one after the other on one broker. Less than a minute.
 *
 * node dist/loadtest/broker.js --help
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import kafkajs from "kafkajs";
import type { ProducerBatch } from "../broker/broker.ts";
import { openKafkaBroker } from "../broker/kafka/kafka-broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import { RecordReader } from "../broker/record-batch/reader.ts";
import { kafkaVersion, startKafka } from "../stacks/local/kafka.ts";
import { programFlags } from "./program-flags.ts";

const run = promisify(execFile);
const partitions = 4;
const valueBytes = 200;
/** Records of one transaction, over all partitions; kafkajs is quadratic in the larger one. */
const transactionSizes = [2_000, 16_000] as const;
/** kafkajs takes some seconds to join its group before the first batch. */
const firstBatchMs = 8_000;
/** A side stops writing here even if its time is not over. */
const mostRecords = 1_000_000;

interface Job {
  readonly side: Side;
  readonly action: "produce" | "fetch";
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly records: number;
  readonly seconds: number;
}
type Side = "Millrace" | "kafkajs";

interface Result {
  readonly records: number;
  readonly seconds: number;
  /** Of the process, while it was measured. */
  readonly cpuSeconds: number;
}

/**
 * Counts until the time is over or `work` returns nothing, which is not measured; the first round
 * warms up.
 */
async function measure(seconds: number, work: () => Promise<number>): Promise<Result> {
  let records = 0;
  const warm = await work();
  const cpu = process.cpuUsage();
  const started = performance.now();
  let ended = started;
  while (performance.now() - started < seconds * 1000 && warm + records < mostRecords) {
    const done = await work();
    if (done === 0) break;
    records += done;
    ended = performance.now();
  }
  const { user, system } = process.cpuUsage(cpu);
  const elapsed = (ended - started) / 1000;
  return { records, seconds: elapsed, cpuSeconds: (user + system) / 1e6 };
}

const keyOf = (n: number) => Buffer.from(String(n % 100_000).padStart(8, "0"));
const value = Buffer.alloc(valueBytes, "v");

async function produceOurs({ brokers, topic, records, seconds }: Job): Promise<Result> {
  const broker = await openKafkaBroker({ brokers, clientId: "bench" });
  const producer = await broker.producer({ transactionalId: `ours-${topic}` });
  const result = await measure(seconds, async () => {
    const batches: ProducerBatch[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      const builder = new RecordBatchBuilder();
      for (let n = 0; n < records / partitions; n++) builder.append(keyOf(n), value, Date.now());
      batches.push({ topic, partition, batch: builder.build() });
    }
    producer.begin();
    await producer.send(batches);
    await producer.sendOffsets("bench", [{ topic, partition: 0, offset: 1 }], null);
    await producer.commit();
    return records;
  });
  await broker.close();
  return result;
}

async function produceKafkajs({ brokers, topic, records, seconds }: Job): Promise<Result> {
  const client = clientOf(brokers);
  const producer = client.producer({
    transactionalId: `kafkajs-${topic}`,
    maxInFlightRequests: 1,
    // Its back-off after each commit would be 300 ms otherwise.
    retry: { initialRetryTime: 5, maxRetryTime: 20, retries: 1000 },
  });
  await producer.connect();
  const result = await measure(seconds, async () => {
    const messages = [];
    for (let n = 0; n < records; n++) {
      messages.push({ partition: n % partitions, key: keyOf(n), value });
    }
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages });
    const offsets = [{ partition: 0, offset: "1" }];
    await transaction.sendOffsets({
      consumerGroupId: "bench",
      topics: [{ topic, partitions: offsets }],
    });
    await transaction.commit();
    return records;
  });
  await producer.disconnect();
  return result;
}

async function fetchOurs({ brokers, topic, seconds }: Job): Promise<Result> {
  const broker = await openKafkaBroker({ brokers, clientId: "bench" });
  const positions = new Array<number>(partitions).fill(0);
  const reader = new RecordReader();
  const result = await measure(seconds, async () => {
    const fetched = await broker.fetch({
      partitions: positions.map((offset, partition) => ({
        topic,
        partition,
        offset,
        maxBytes: 1 << 20,
      })),
      isolation: "read_committed",
      maxWaitMs: 100,
      maxBytes: 8 << 20,
    });
    let count = 0;
    for (const each of fetched) {
      reader.open(each, "read_committed");
      while (reader.next()) {
        if (reader.valueEnd - reader.valueStart !== valueBytes) throw new Error("a damaged value");
        count++;
      }
      positions[each.partition] = reader.nextOffset;
    }
    return count;
  });
  await broker.close();
  return result;
}

async function fetchKafkajs({ brokers, topic, seconds }: Job): Promise<Result> {
  const consumer = clientOf(brokers).consumer({
    groupId: `bench-${topic}`,
    maxBytesPerPartition: 1 << 20,
    maxBytes: 8 << 20,
    maxWaitTimeInMs: 100,
    readUncommitted: false,
  });
  let count = 0;
  let wake = () => {};
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, resolveOffset }) => {
      for (const message of batch.messages) {
        if (message.value?.length !== valueBytes) throw new Error("a damaged value");
        resolveOffset(message.offset);
      }
      count += batch.messages.length;
      wake();
    },
  });
  // One round for what has come since the last; nothing for a while is the end.
  const result = await measure(seconds, async () => {
    if (count === 0) {
      let late: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        late = setTimeout(resolve, firstBatchMs);
      });
      clearTimeout(late);
    }
    const done = count;
    count = 0;
    return done;
  });
  await consumer.disconnect();
  return result;
}

function clientOf(brokers: readonly string[]) {
  const { Kafka, logLevel } = kafkajs;
  return new Kafka({ clientId: "bench", brokers: [...brokers], logLevel: logLevel.NOTHING });
}

const jobs = {
  Millrace: { produce: produceOurs, fetch: fetchOurs },
  kafkajs: { produce: produceKafkajs, fetch: fetchKafkajs },
} as const;

async function inProcess(job: Job): Promise<Result> {
  const { stdout } = await run(process.execPath, [
    fileURLToPath(import.meta.url),
    "--job",
    JSON.stringify(job),
  ]);
  return JSON.parse(stdout) as Result;
}

interface Line {
  readonly name: string;
  readonly ours: Result;
  readonly theirs: Result;
}

async function compare(seconds: number): Promise<Line[]> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-bench-"));
  const kafka = await startKafka({ directory, heapMiB: 768 });
  try {
    const { brokers } = kafka;
    const broker = await openKafkaBroker({ brokers, clientId: "bench" });
    const lines: Line[] = [];
    for (const records of transactionSizes) {
      const both = async (action: Job["action"], topicOf: (side: Side) => string) => {
        const of = (side: Side) =>
          inProcess({ side, action, brokers, topic: topicOf(side), records, seconds });
        return { ours: await of("Millrace"), theirs: await of("kafkajs") };
      };
      const topicOf = (side: Side) => `${side}-${records}`;
      await broker.createTopics(
        (["Millrace", "kafkajs"] as const).map((side) => ({
          name: topicOf(side),
          partitions,
          config: {},
        })),
      );
      const size = records.toLocaleString("en-US");
      lines.push({ name: `transactions of ${size} records`, ...(await both("produce", topicOf)) });
      // Both read what the adapter wrote: the same bytes.
      const same = () => topicOf("Millrace");
      lines.push({ name: `reading these, read_committed`, ...(await both("fetch", same)) });
    }
    await broker.close();
    return lines;
  } finally {
    await kafka.kill();
    await rm(directory, { recursive: true, force: true });
  }
}

function tableOf(lines: readonly Line[]): string {
  const rate = ({ records, seconds }: Result) => Math.round(records / seconds);
  const cpu = ({ records, cpuSeconds }: Result) => ((cpuSeconds * 1e6) / records).toFixed(2);
  const text = (n: number) => n.toLocaleString("en-US");
  return [
    "| | Millrace, records/s | kafkajs, records/s | ratio | CPU a record, µs: Millrace | kafkajs |",
    "| --- | --- | --- | --- | --- | --- |",
    ...lines.map(({ name, ours, theirs }) => {
      const ratio = (rate(ours) / rate(theirs)).toFixed(1);
      const rates = `${text(rate(ours))} | ${text(rate(theirs))}`;
      return `| ${name} | ${rates} | ${ratio} × | ${cpu(ours)} | ${cpu(theirs)} |`;
    }),
  ].join("\n");
}

async function main(): Promise<void> {
  const { values } = programFlags({
    command: "node dist/loadtest/broker.js",
    does: "Transactions and reads of 200-byte records on a Kafka that it starts: this adapter against kafkajs's own API, in turn. Less than a minute.",
    flags: {
      seconds: { type: "string", takes: "N", default: "4", help: "of each measurement" },
      report: {
        type: "string",
        takes: "FILE",
        help: "where the page goes (left out: loadtest/reports/broker-<date>.md)",
      },
      job: {
        type: "string",
        takes: "JSON",
        help: "what it tells the processes that it starts itself",
      },
    },
    fails: "where it could not measure",
  });
  if (values.job !== undefined) {
    const job = JSON.parse(values.job) as Job;
    process.stdout.write(JSON.stringify(await jobs[job.side][job.action](job)));
    return;
  }
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new Error(`--seconds takes a positive number: ${values.seconds}`);
  const table = tableOf(await compare(seconds));
  console.log(table);
  const date = new Date().toISOString().slice(0, 10);
  const file = values.report ?? `loadtest/reports/broker-${date}.md`;
  const commit = (await run("git", ["rev-parse", "--short", "HEAD"])).stdout.trim();
  const memory = Math.round(totalmem() / 2 ** 30);
  const report = [
    `# Kafka adapter against kafkajs, ${date}`,
    "",
    `Command: \`node dist/loadtest/broker.js --seconds ${values.seconds}\``,
    `Commit ${commit}; ${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${memory} GiB, ` +
      `Linux ${release()}, Node ${process.version}; Apache Kafka ${kafkaVersion}, one node on ` +
      "loopback, on the same cores as the clients.",
    `Values of ${valueBytes} bytes, keys of 8, ${partitions} partitions. Each transaction sends ` +
      "one batch a partition and one input offset. Each side runs in a process of its own.",
    "",
    table,
    "",
  ];
  await writeFile(file, report.join("\n"));
}

await main();
