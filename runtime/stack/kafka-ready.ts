import { setTimeout as wait } from "node:timers/promises";
import kafkajs from "kafkajs";
import { MillraceError } from "../../schemas/errors.ts";

/**
 * Resolves when a transaction can begin and end and a group can be looked up: the coordinators
 * answer later than the port listens.
 *
 * @throws {MillraceError} STACK_START_FAILED after a minute.
 */
export async function kafkaReady(
  brokers: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  if (settings["listeners"] !== undefined) {
    return;
  }
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      await attempt(brokers);
      return;
    } catch (error) {
      if (Date.now() > deadline) {
        const context = { name: "Kafka", reason: String(error) };
        throw new MillraceError("STACK_START_FAILED", context, { cause: error });
      }
    }
    await wait(100);
  }
}

async function attempt(brokers: readonly string[]): Promise<void> {
  const kafka = new kafkajs.Kafka({
    brokers: [...brokers],
    clientId: "millrace-ready",
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 20 },
  });
  const admin = kafka.admin();
  const producer = kafka.producer({ transactionalId: "millrace-ready", transactionTimeout: 5_000 });
  try {
    await admin.connect();
    await admin.fetchOffsets({ groupId: "millrace-ready" });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.abort();
  } finally {
    await Promise.allSettled([admin.disconnect(), producer.disconnect()]);
  }
}
