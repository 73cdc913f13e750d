import { setTimeout as wait } from "node:timers/promises";
import { type KafkaBrokerOptions, openKafkaBroker } from "../../broker/kafka/kafka-broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { tcpProbe } from "./tcp-probe.ts";

/** How the stack itself connects, where the settings ask for TLS or a password. */
export type KafkaAccess = Pick<KafkaBrokerOptions, "ssl" | "sasl">;

const limitMs = 60_000;
const silent = { error() {}, warn() {}, info() {}, debug() {} };

/** ApiVersions v0 without a client id, behind its length: every Kafka answers it. */
const apiVersions = Buffer.from("0000000a0012000000000001ffff", "hex");

/** Resolves when the Kafka on the port answers, in plain text; one that hangs does not. */
export async function probeKafka(port: number): Promise<void> {
  await tcpProbe(port, apiVersions);
}

/**
 * Resolves when a transaction can begin and end and a group can be looked up: the coordinators
 * answer later than the port listens.
 *
 * @throws {MillraceError} STACK_START_FAILED after a minute.
 */
export async function kafkaReady(brokers: readonly string[], access: KafkaAccess): Promise<void> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    try {
      await attempt(brokers, access);
      return;
    } catch (error) {
      if (!(error instanceof MillraceError) || Date.now() > deadline) {
        const context = { name: "Kafka", reason: String(error) };
        throw new MillraceError("STACK_START_FAILED", context, { cause: error });
      }
    }
    await wait(50);
  }
}

async function attempt(brokers: readonly string[], access: KafkaAccess): Promise<void> {
  const broker = await openKafkaBroker({
    ...access,
    brokers,
    clientId: "millrace-ready",
    requestTimeoutMs: 10_000,
    logger: silent,
  });
  try {
    const nowhere = [{ topic: "millrace-ready", partition: 0 }];
    await broker.committed("millrace-ready", nowhere);
    const producer = await broker.producer({ transactionalId: "millrace-ready" });
    await producer.close();
  } finally {
    await broker.close();
  }
}
