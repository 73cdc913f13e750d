import type { ByteReader } from "../../schemas/bytes.ts";
import type { ExternalWork } from "../processor.ts";
import type { ToldExplanation } from "./explain/told-explanation.ts";
import type { NotComputed } from "./native/native-model.ts";

/** Rows whose scores are to be explained. The result is that of {@link explainResult}. */
export interface ExplainWork {
  /** Model versions that answered, in order of first use. */
  readonly versions: readonly string[];
  /** sha256 of the ONNX artifact of each version. */
  readonly artifacts: readonly string[];
  /** For each row the index in `versions`. */
  readonly versionOf: Uint16Array;
  /** Row-major, rows × features, NaN = missing. */
  readonly rows: Float64Array;
  /** Names of the vector. */
  readonly features: readonly string[];
  /** Features that are told of a row at most. */
  readonly most: number;
}

/** By row its explanation, or why there is none. */
export type RowExplanations = readonly (ToldExplanation | NotComputed)[];

/** Name of the service that explains. */
export const explainService = "explain";

export function isExplainWork(work: ExternalWork): work is ExternalWork<ExplainWork> {
  return work.service === explainService;
}

/** The bytes that a scoring processor's `settle` takes: JSON, which has doubles as they are. */
export function explainResult(rows: RowExplanations): Buffer {
  return Buffer.from(JSON.stringify(rows), "utf8");
}

/** @throws {RangeError} where they are not of so many rows. */
export function readExplainResult(result: ByteReader, rows: number): RowExplanations {
  const text = result.buffer.toString("utf8", result.position, result.end);
  const read = JSON.parse(text) as RowExplanations;
  if (read.length !== rows) throw new RangeError(`${read.length} explanations of ${rows} rows`);
  return read;
}
