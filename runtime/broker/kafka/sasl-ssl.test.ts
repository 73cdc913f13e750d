import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { requirement } from "../../../testing/requirements.ts";
import { findJava } from "../../stack/java.ts";
import { type KafkaStack, startKafka } from "../../stack/kafka.ts";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { RecordReader } from "../record-batch/reader.ts";
import { type KafkaBrokerOptions, openKafkaBroker } from "./kafka-broker.ts";

const skip = requirement("java", "maven");
const username = "millrace";
const password = "correct-horse";
let directory = "";
let kafka: KafkaStack;
let access: Required<Pick<KafkaBrokerOptions, "ssl">>;

before(async () => {
  if (skip !== false) {
    return;
  }
  directory = await mkdtemp(join(tmpdir(), "millrace-sasl-"));
  const store = join(directory, "store.p12");
  const certificate = join(directory, "certificate.pem");
  const keytool = (...args: string[]): void => {
    const common = ["-keystore", store, "-storetype", "PKCS12", "-storepass", "store-secret"];
    const file = join(findJava(17).home, "bin", "keytool");
    execFileSync(file, [...args, ...common, "-alias", "kafka"], { stdio: "ignore" });
  };
  const names = ["-dname", "CN=127.0.0.1", "-ext", "SAN=ip:127.0.0.1"];
  keytool("-genkeypair", "-keyalg", "RSA", "-keysize", "2048", "-validity", "2", ...names);
  keytool("-exportcert", "-rfc", "-file", certificate);
  const ca = await readFile(certificate, "utf8");
  access = { ssl: { ca: [ca] } };
  kafka = await startKafka({
    directory,
    settings: saslSsl(store),
    formatArgs: ["--add-scram", `SCRAM-SHA-256=[name=${username},password=${password}]`],
    access: { ssl: { ca: [ca] }, sasl: { mechanism: "scram-sha-256", username, password } },
  });
});

after(async () => {
  if (skip === false) {
    await kafka.kill();
    await rm(directory, { recursive: true, force: true });
  }
});

function saslSsl(store: string): Record<string, string> {
  const jaas =
    "org.apache.kafka.common.security.scram.ScramLoginModule required " +
    `username="${username}" password="${password}";`;
  return {
    listeners: "SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controllerPort}",
    "advertised.listeners": "SASL_SSL://127.0.0.1:{port}",
    "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "SASL_SSL",
    "sasl.enabled.mechanisms": "SCRAM-SHA-256",
    "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-256",
    "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": jaas,
    "ssl.keystore.location": store,
    "ssl.keystore.type": "PKCS12",
    "ssl.keystore.password": "store-secret",
    "ssl.truststore.location": store,
    "ssl.truststore.type": "PKCS12",
    "ssl.truststore.password": "store-secret",
  };
}

test("over TLS and SCRAM a transaction commits, is read, and a group is joined", {
  skip,
}, async () => {
  const lines: string[] = [];
  const log = (context: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(context)}`);
  };
  const broker = await openKafkaBroker({
    brokers: kafka.brokers,
    clientId: "sasl",
    ssl: access.ssl,
    sasl: { mechanism: "scram-sha-256", username, password },
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

test("a wrong password and an unknown certificate are refused at once", { skip }, async () => {
  const options = { brokers: kafka.brokers, clientId: "sasl", requestTimeoutMs: 500 };
  const wrong = { mechanism: "scram-sha-256", username, password: "wrong" } as const;
  const silent = { error() {}, warn() {}, info() {}, debug() {} };
  await assert.rejects(
    openKafkaBroker({ ...options, ssl: access.ssl, sasl: wrong, logger: silent }),
    { code: "BROKER_AUTHORIZATION" },
  );
  await assert.rejects(openKafkaBroker({ ...options, ssl: true, sasl: wrong, logger: silent }), {
    code: "BROKER_UNAVAILABLE",
    message: /certificate/,
  });
});
