import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePorts } from "../../stacks/local/free-ports.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { brokerConformance } from "../conformance.ts";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { RecordReader } from "../record-batch/reader.ts";
import { openKafkaBroker } from "./kafka-broker.ts";
import { type SaslKafka, saslUser, startSaslKafka } from "./sasl-kafka-fixture.ts";

const skip = requirement("java", "maven");
const { username, password } = saslUser;
let directory = "";
const [plainPort = 0] = await freePorts(1);
let secure: SaslKafka;

before(async () => {
  if (skip === false) {
    directory = await mkdtemp(join(tmpdir(), "millrace-conformance-"));
    // One server, two doors.
    secure = await startSaslKafka(directory, { plainPort });
  }
});

after(async () => {
  if (skip === false) {
    await secure?.kafka.kill();
    await rm(directory, { recursive: true, force: true });
  }
});

brokerConformance(
  "Kafka",
  async () => {
    const brokers = [`127.0.0.1:${plainPort}`];
    const broker = await openKafkaBroker({ brokers, clientId: "conformance" });
    return { broker, close: () => broker.close() };
  },
  { skip },
);

brokerConformance(
  "Kafka over TLS with SCRAM",
  async () => {
    const { kafka, access } = secure;
    const options = { brokers: kafka.brokers, clientId: "conformance", ...access };
    const broker = await openKafkaBroker(options);
    return { broker, close: () => broker.close() };
  },
  { skip },
);

test("over TLS and SCRAM a transaction commits, is read, and a group is joined", {
  skip,
}, async () => {
  const lines: string[] = [];
  const log = (context: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(context)}`);
  };
  const broker = await openKafkaBroker({
    brokers: secure.kafka.brokers,
    clientId: "sasl",
    ...secure.access,
    logger: { error: log, warn: log, info: log, debug: log },
  });
  await broker.createTopics([{ name: "secure", partitions: 1, config: {} }]);
  const member = await broker.join({
    group: "secure",
    metadata: Buffer.from("m"),
    assign: (members) => members,
  });
  assert.equal(member.assignment.toString(), "m");
  const place = { topic: "secure", partition: 0 };
  const writer = await broker.producer({ transactionalId: "secure" });
  const builder = new RecordBatchBuilder();
  builder.append(null, Buffer.from("kept"), Date.now());
  writer.begin();
  await writer.send([{ ...place, batch: builder.build() }]);
  await writer.sendOffsets("secure", [{ ...place, offset: 1 }], member.identity);
  await writer.commit();
  const [fetched] = await broker.fetch({
    partitions: [{ ...place, offset: 0, maxBytes: 1 << 20 }],
    isolation: "read_committed",
    maxWaitMs: 2_000,
    maxBytes: 1 << 20,
  });
  const reader = new RecordReader({ checkCrc: true });
  assert.ok(fetched);
  reader.open(fetched, "read_committed");
  assert.ok(reader.next());
  assert.equal((await broker.committed("secure", [place]))[0]?.offset, 1);
  await broker.close();
  assert.ok(lines.length > 0);
  assert.ok(!lines.join("\n").includes(password), "the log holds the password");
});

for (const mechanism of ["plain", "scram-sha-512"] as const) {
  test(`${mechanism} logs in over TLS, and not with a wrong password`, { skip }, async () => {
    const silent = { error() {}, warn() {}, info() {}, debug() {} };
    const open = (given: string) =>
      openKafkaBroker({
        ...{
          brokers: secure.kafka.brokers,
          clientId: "sasl",
          ssl: secure.access.ssl,
          logger: silent,
        },
        sasl: { mechanism, username, password: given },
      });
    const broker = await open(password);
    await broker.describeTopics();
    await broker.close();
    await assert.rejects(open("wrong"), { code: "BROKER_LOGIN" });
  });
}

test("a mechanism that the broker does not offer is a login refused", { skip }, async () => {
  const logger = { error() {}, warn() {}, info() {}, debug() {} };
  const options = {
    brokers: secure.kafka.brokers,
    clientId: "sasl",
    requestTimeoutMs: 500,
    logger,
  };
  const sasl = {
    mechanism: "oauthbearer",
    oauthBearerProvider: () => Promise.resolve({ value: "token" }),
  } as const;
  await assert.rejects(openKafkaBroker({ ...options, ssl: secure.access.ssl, sasl }), {
    code: "BROKER_LOGIN",
  });
});

test("a wrong password and an unknown certificate are refused at once", { skip }, async () => {
  const options = { brokers: secure.kafka.brokers, clientId: "sasl", requestTimeoutMs: 500 };
  const wrong = { mechanism: "scram-sha-256", username, password: "wrong" } as const;
  const silent = { error() {}, warn() {}, info() {}, debug() {} };
  await assert.rejects(
    openKafkaBroker({ ...options, ssl: secure.access.ssl, sasl: wrong, logger: silent }),
    { code: "BROKER_LOGIN" },
  );
  await assert.rejects(openKafkaBroker({ ...options, ssl: true, sasl: wrong, logger: silent }), {
    code: "BROKER_UNAVAILABLE",
    message: /certificate/,
  });
});
