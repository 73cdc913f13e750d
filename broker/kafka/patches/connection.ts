import { MillraceError } from "../../../schemas/errors.ts";
import type { Internals, KafkajsConnection } from "../kafkajs-internals.ts";

/**
 * Longest answer that is taken, bytes: the largest fetch and a record batch beyond it. What is not
 * Kafka says more: the first bytes of an HTTP answer are a length of 1.2 GB.
 */
export const answerBytesMost = 256 * 1024 * 1024;

/** What the patch needs of kafkajs's own connection. */
interface Receiving extends KafkajsConnection {
  readonly host: string;
  readonly port: number;
  /** Of the answer under way, its length included. */
  readonly bytesNeeded: number;
  processData(data: Buffer): void;
}

/** kafkajs's connection, which gives up an answer that is too long when it has read its length. */
export function patchedConnection(Original: Internals["Connection"]): Internals["Connection"] {
  const Receiver = Original as unknown as new (...args: readonly unknown[]) => Receiving;
  return class BoundedConnection extends Receiver {
    override processData(data: Buffer): void {
      super.processData(data);
      if (this.bytesNeeded <= answerBytesMost) return;
      const broker = `${this.host}:${this.port}`;
      const context = { broker, sizeBytes: this.bytesNeeded, limit: answerBytesMost };
      this.rejectRequests(new MillraceError("BROKER_ANSWER_OVERSIZE", context));
      this.socket?.destroy();
    }
  } as unknown as Internals["Connection"];
}
