import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { ModelAnswer, RetrainRequest } from "./payload.ts";

/** Writes a value as JSON (UTF-8 behind a 32-bit length): for rare payloads of any size. */
export function writeJson(writer: ByteWriter, value: RetrainRequest | ModelAnswer): void {
  writer.bytes(Buffer.from(JSON.stringify(value), "utf8"));
}

/** Reads the text that {@link writeJson} wrote, not yet parsed. */
export function readJsonText(reader: ByteReader): string {
  return reader.bytes().toString("utf8");
}

export function readRetrainRequest(reader: ByteReader): RetrainRequest {
  return JSON.parse(readJsonText(reader)) as RetrainRequest;
}

export function readModelAnswer(reader: ByteReader): ModelAnswer {
  return JSON.parse(readJsonText(reader)) as ModelAnswer;
}
