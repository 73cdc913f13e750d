import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import type { Outbox } from "./processor.ts";

/** What a processor wrote: a payload of an inbox output, or a row (`key` is its entity key). */
export interface Written {
  readonly output: number;
  readonly partition: number;
  readonly key: string;
  readonly knownAt: number;
  readonly bytes: Buffer;
}

/** An outbox for tests of processors: keeps what was written, in order. */
export class RecordingOutbox implements Outbox {
  readonly written: Written[] = [];
  readonly #writer = new ByteWriter();
  #open: Omit<Written, "bytes"> | null = null;

  begin(output: number, partition: number, knownAt: number): ByteWriter {
    return this.#begin({ output, partition, key: "", knownAt });
  }

  beginRow(output: number, key: string, knownAt: number): ByteWriter {
    return this.#begin({ output, partition: -1, key, knownAt });
  }

  end(): boolean {
    if (this.#open === null) throw new RangeError("nothing is open");
    this.written.push({ ...this.#open, bytes: this.#writer.take() });
    this.#open = null;
    return true;
  }

  refuse(): void {
    throw new RangeError("no record is expected to be out of bounds");
  }

  publish(): void {
    throw new RangeError("no topic output is expected");
  }

  #begin(open: Omit<Written, "bytes">): ByteWriter {
    if (this.#open !== null) throw new RangeError("a payload is still open");
    this.#open = open;
    this.#writer.reset();
    return this.#writer;
  }
}

/** A reader over what was written. */
export function readerOf(written: Written): ByteReader {
  return new ByteReader(written.bytes);
}
