import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { freePorts } from "../../stacks/local/free-ports.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { brokerConformance } from "../conformance.ts";
import { openKafkaBroker } from "./kafka-broker.ts";
import { type SaslKafka, startSaslKafka } from "./sasl-kafka-fixture.ts";

const skip = requirement("java", "maven");
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
