import { inflateRecords } from "../broker/record-batch/codec.ts";
import { parseFilter } from "../gateway/mlflow/filter.ts";
import { readBody } from "../gateway/read-request.ts";
import { readOnnxFile } from "../processors/scoring/onnx/onnx-file.ts";
import { eventRecord } from "../runtime/ingest/event-record.ts";
import { durationMs, isDuration } from "../schemas/duration.ts";
import { entityKey, entityKeyParts } from "../schemas/feature-view.ts";
import { openFormat } from "../schemas/formats/formats.ts";
import { double, integer, isoMs, timestampMs } from "../schemas/formats/json/json-numbers.ts";
import { avro, json, protobuf } from "../schemas/formats/kinds.ts";
import { parseProto } from "../schemas/formats/protobuf/parse-proto.ts";
import { types } from "../schemas/formats/types.ts";
import { plainLines, shortReason } from "../schemas/plain-text.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { FrontGuard } from "../sinks/chdb/front-guard.ts";
import { exactJson } from "../sinks/exact-json.ts";
import { offlineQueryError } from "../sinks/offline-error.ts";
import { insertPrefixLength, requireReading, scanStatement } from "../sinks/statement.ts";
import { type Material, statements, values } from "./growth-fixture.ts";

/** What goes through a text, or bytes, that come from outside. */
export interface Scanner {
  /** The files whose going from place to place this is. */
  readonly files: readonly string[];
  readonly scan: (text: string) => unknown;
  /** What its slow texts would be made of. @default values */
  readonly made?: Material;
}

const ofJson = openFormat(
  json({ n: types.nullable(types.integer()), list: types.nullable(types.list(types.text())) }),
).readerOf(null);
const schema = recordSchema<{ readonly list: readonly string[] }>({
  type: "record",
  name: "R",
  fields: [{ name: "list", type: { type: "array", items: "string" } }],
});
/** What nobody reads is passed over, and still gone through. */
const writer = {
  type: "record",
  name: "R",
  fields: [
    { name: "unread", type: { type: "map", values: ["null", "string", "double"] } },
    ...schema.fields,
  ],
};
const ofAvro = openFormat(avro(schema)).readerOf({ type: "AVRO", schema: writer, references: [] });
const ofProtobuf = openFormat(
  protobuf({
    message: "M",
    proto:
      'syntax = "proto3"; message M { string text = 1; repeated int64 list = 2; M within = 3; }',
  }),
).readerOf(null);
const event = eventRecord(json({ at: types.timestamp("ms") }));

const whole = (read: (bytes: Buffer, start: number, end: number) => unknown, text: string) => {
  const bytes = Buffer.from(text, "latin1");
  return read(bytes, 0, bytes.length);
};
const unpack = (codec: number) => (text: string) =>
  inflateRecords(codec, Buffer.from(text, "latin1"), 1 << 20);
const statement = ["sinks/statement.ts"];
const numbers = ["schemas/formats/json/json-numbers.ts"];

/** Every scanner by its name; `growth.test.ts` finds the files that none of them names. */
export const scanners = Object.entries<Scanner>({
  scanStatement: { files: statement, scan: scanStatement, made: statements },
  requireReading: { files: statement, scan: requireReading, made: statements },
  insertPrefixLength: { files: statement, scan: insertPrefixLength, made: statements },
  FrontGuard: {
    files: statement,
    scan: (text) => new FrontGuard(["file", "url"]).check(text),
    made: statements,
  },
  offlineQueryError: {
    files: ["sinks/offline-error.ts"],
    scan: offlineQueryError,
    made: statements,
  },
  "a filter of MLflow": {
    files: ["gateway/mlflow/filter.ts"],
    scan: (text) =>
      parseFilter(text, {
        what: "runs",
        fields: { run_id: { name: "run_id", type: "text" } },
        entities: ["metric", "param", "tag"],
      }),
    made: statements,
  },
  "a body of JSON": {
    files: ["gateway/read-request.ts"],
    scan: (text) => readBody("value", "application/json", Buffer.from(text)),
  },
  exactJson: { files: ["sinks/exact-json.ts"], scan: exactJson },
  duration: {
    files: ["schemas/duration.ts"],
    scan: (text) => (isDuration(text) ? durationMs(text) : 0),
  },
  "a value of JSON": {
    files: ["schemas/formats/json/json-input.ts", "schemas/formats/json/json-read.ts"],
    scan: (text) => whole(ofJson, text),
  },
  isoMs: { files: numbers, scan: isoMs },
  double: { files: numbers, scan: double },
  integer: { files: numbers, scan: integer },
  timestampMs: { files: numbers, scan: (text) => timestampMs(text, -6) },
  "a value of Avro": {
    files: ["schemas/formats/avro/avro-input.ts", "schemas/formats/avro/skip.ts"],
    scan: (text) => whole(ofAvro, text),
  },
  "a value of Protobuf": {
    files: ["wire-input", "protobuf-read", "value-read"].map(
      (name) => `schemas/formats/protobuf/${name}.ts`,
    ),
    scan: (text) => whole(ofProtobuf, text),
  },
  parseProto: {
    files: ["schemas/formats/protobuf/parse-proto.ts"],
    scan: (text) => parseProto(text),
  },
  snappy: { files: ["broker/record-batch/snappy.ts"], scan: unpack(2) },
  lz4: { files: ["broker/record-batch/lz4.ts"], scan: unpack(3) },
  zstd: { files: ["broker/record-batch/zstd.ts"], scan: unpack(4) },
  readOnnxFile: {
    files: ["processors/scoring/onnx/wire.ts"],
    scan: (text) => readOnnxFile(Buffer.from(text, "latin1")),
  },
  "an event": { files: ["schemas/formats/json/json-value.ts"], scan: (at) => event({ at }) },
  "an entity key": {
    files: ["schemas/feature-view.ts"],
    scan: (text) => [entityKeyParts(text, 2), entityKey([text, text])],
  },
  "what is shown": {
    files: ["schemas/plain-text.ts"],
    scan: (text) => [plainLines(text), shortReason(text)],
  },
}).map(([name, scanner]) => ({ name, made: values, ...scanner }));

/**
 * What goes from place to place in bytes or texts that nobody outside has made, or once over each:
 * no text makes it slow.
 */
export const ownBytes: Readonly<Record<string, string>> = {
  "broker/embedded/file-segment.ts": "batches of our own log",
  "broker/embedded/log-files.ts": "batches of our own log",
  "broker/embedded/partition-log.ts": "batches of our own log",
  "broker/kafka/wire-reader.ts": "answers of a broker, each part once, at most one frame's limit",
  "schemas/formats/avro/write.ts": "what a feeder writes",
  "serving/message.ts": "lines of our own socket, which the owner alone can open",
  "sinks/redis/redis.ts": "a hash over an entity key, each unit once",
};
