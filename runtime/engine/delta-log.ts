import type { Outbox, Processor } from "../../processors/processor.ts";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";

const entryRecord = 1;
const entryTimers = 2;
const entrySettled = 3;

/** In front of a payload at most: u8 kind, u8 input, u16 writer, f64 knownAt, u32 length. */
const entryHeaderBytes = 16;

/** A part is closed before it grows beyond this, so that it fits a changelog record. */
const partBytes = 256 * 1024;

/**
 * What a task's processor took since the last commit and that changed its state, in order.
 * Repeating it on the state of the last commit gives the state of this one: processors are
 * deterministic.
 */
export class DeltaLog {
  readonly #writer = new ByteWriter(64 * 1024);
  #parts: Buffer[] = [];
  #partBytes = 0;
  #timers = 0;

  record(
    input: number,
    writer: number,
    knownAt: number,
    buffer: Buffer,
    start: number,
    end: number,
  ): void {
    this.#flushTimers();
    this.#makeRoom(end - start);
    const out = this.#writer;
    out.u8(entryRecord);
    out.u8(input);
    out.u16(writer);
    out.f64(knownAt);
    out.u32(end - start);
    const at = out.reserve(end - start);
    buffer.copy(out.buffer, at, start, end);
  }

  timer(): void {
    this.#timers++;
  }

  settled(result: Buffer): void {
    this.#flushTimers();
    this.#makeRoom(result.length);
    this.#writer.u8(entrySettled);
    this.#writer.bytes(result);
  }

  /** What it holds, timers in a row left out. */
  get bytes(): number {
    return this.#partBytes + this.#writer.position;
  }

  /** The log in parts, the last one possibly empty; the log starts again. */
  take(): Buffer[] {
    this.#flushTimers();
    const parts = this.#parts;
    parts.push(this.#writer.take());
    this.#parts = [];
    this.#partBytes = 0;
    this.#writer.reset();
    return parts;
  }

  #flushTimers(): void {
    if (this.#timers === 0) return;
    this.#writer.u8(entryTimers);
    this.#writer.u32(this.#timers);
    this.#timers = 0;
  }

  /** Only an entry that is larger by itself exceeds the limit. */
  #makeRoom(bytes: number): void {
    const { position } = this.#writer;
    if (position === 0 || position + bytes + entryHeaderBytes <= partBytes) return;
    this.#parts.push(this.#writer.take());
    this.#partBytes += this.#writer.position;
    this.#writer.reset();
  }
}

/** Repeats one part of a delta on a processor; what it writes goes to a muted outbox. */
export function replayDelta(part: Buffer, processor: Processor, muted: Outbox): void {
  const reader = new ByteReader(part);
  const payload = new ByteReader();
  while (!reader.done) {
    switch (reader.u8()) {
      case entryRecord: {
        const input = reader.u8();
        const writer = reader.u16();
        const knownAt = reader.f64();
        const length = reader.u32();
        const start = reader.position;
        reader.position += length;
        payload.reset(part, start, reader.position);
        processor.process(input, writer, knownAt, payload, muted);
        break;
      }
      case entryTimers:
        for (let left = reader.u32(); left > 0; left--) {
          processor.onTimer(processor.nextTimer(), muted);
        }
        break;
      case entrySettled: {
        const result = reader.bytes();
        processor.takeWork?.();
        processor.settle?.(new ByteReader(result), muted);
        break;
      }
      default:
        throw new RangeError("unknown entry in a changelog delta");
    }
  }
}

/** An outbox that drops what it is given: restoring repeats inputs, not outputs. */
export class MutedOutbox implements Outbox {
  readonly #writer = new ByteWriter();

  begin(): ByteWriter {
    this.#writer.reset();
    return this.#writer;
  }

  beginRow(): ByteWriter {
    this.#writer.reset();
    return this.#writer;
  }

  end(): boolean {
    return true;
  }

  refuse(): void {}

  publish(): void {}
}
