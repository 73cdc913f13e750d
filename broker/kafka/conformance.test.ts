import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { type KafkaStack, startKafka } from "../../stacks/local/kafka.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { brokerConformance } from "../conformance.ts";
import { openKafkaBroker } from "./kafka-broker.ts";
import { type SaslKafka, startSaslKafka } from "./sasl-kafka-fixture.ts";

const skip = requirement("java", "maven");
let directory = "";
let plain: KafkaStack;
let secure: SaslKafka;

before(async () => {
  if (skip === false) {
    directory = await mkdtemp(join(tmpdir(), "millrace-conformance-"));
    [plain, secure] = await Promise.all([
      startKafka({ directory: join(directory, "plain") }),
      startSaslKafka(join(directory, "secure")),
    ]);
  }
});

after(async () => {
  if (skip === false) {
    await plain?.kill();
    await secure?.kafka.kill();
    await rm(directory, { recursive: true, force: true });
  }
});

brokerConformance(
  "Kafka",
  async () => {
    const broker = await openKafkaBroker({ brokers: plain.brokers, clientId: "conformance" });
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
