import type { Broker } from "../../broker/broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { type Model, model as modelSchema } from "../../schemas/generated.ts";
import type { Plan } from "../../schemas/plan.ts";
import { AvroEncoder } from "../schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";

/** Writes what trainings ended with, as the trainer's topic has it. */
export async function writeTrainings(
  { broker, registry }: { readonly broker: Broker; readonly registry: SchemaRegistry },
  plan: Plan,
  answers: readonly Model[],
): Promise<void> {
  const topic = plan.topics.find(({ role }) => role === "models")?.name ?? "";
  const id = await registry.register(`${topic}-value`, modelSchema);
  const encoder = new AvroEncoder(modelSchema, id);
  const batch = new RecordBatchBuilder();
  for (const each of answers) {
    const bytes = new ByteWriter();
    encoder.encode(each, bytes);
    batch.append(Buffer.from(each.requestId), bytes.take(), each.effectiveFrom);
  }
  const producer = await broker.producer({ transactionalId: null });
  await producer.send([{ topic, partition: 0, batch: batch.build() }]);
  await producer.close();
}
