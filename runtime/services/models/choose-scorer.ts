import { nativeModel } from "../../../processors/scoring/native/native-model.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import type { ScorerChoice } from "../../../schemas/model-change.ts";
import type { OnnxModel } from "../score/onnx-model.ts";
import type { ModelCheck } from "./check-model.ts";

/**
 * Comparisons that are branches, or multiplications, of a row up to which JavaScript is chosen: it
 * is several times faster for a row alone. In large batches trees that are walked without a branch
 * (floats) are no slower than by onnxruntime, others up to about twice. A number of the model
 * alone, so that every machine chooses alike.
 */
export const nativeCostMax = 1_000;

/** A larger file is read too slowly on the thread that asks. */
const nativeBytesMax = 2 * 1024 * 1024;

/** How far answers may be from those of onnxruntime where JavaScript is asked for. */
const askedTolerance = 1e-6;

/** Rows that both are asked for. */
const comparedRows = 4_096;

/**
 * Why a version is not scored in JavaScript; null: it is. Chosen once, at registration, and written
 * into the file: which bits a version gives never depends on the machine or the day.
 *
 * @param model - as onnxruntime computes it.
 * @throws {MillraceError} MODEL_REFUSED where JavaScript is asked for, and cannot or may not.
 */
export async function whyNotNative(
  bytes: Uint8Array,
  model: OnnxModel,
  check: ModelCheck,
): Promise<string | null> {
  const { scorer = "auto" } = check;
  if (scorer === "onnxruntime") return "onnxruntime is asked for";
  const why = await reasonAgainst(bytes, model, check, scorer);
  if (why === null || scorer === "auto") return why;
  const reason = `it cannot be scored in JavaScript: ${why}; leave out --scorer native`;
  throw new MillraceError("MODEL_REFUSED", { reason });
}

async function reasonAgainst(
  bytes: Uint8Array,
  model: OnnxModel,
  check: ModelCheck,
  scorer: ScorerChoice,
): Promise<string | null> {
  const native = nativeModel(bytes, model.reading);
  if ("why" in native) return native.why;
  if (scorer === "auto" && native.cost > nativeCostMax) {
    return `a row costs ${Math.round(native.cost)} steps, more than ${nativeCostMax}`;
  }
  if (bytes.length > nativeBytesMax) return `its file is larger than ${nativeBytesMax} bytes`;
  const rows = rowsLike(check.rows, model.features);
  const [answers, expected] = [native.score(rows), await model.score(rows)];
  for (const [row, wanted] of expected.entries()) {
    const answer = answers[row] as number;
    if (Object.is(answer, wanted)) continue;
    if (scorer === "native" && Math.abs(answer - wanted) <= askedTolerance) continue;
    return `a row gives ${answer}, and ${wanted} by onnxruntime`;
  }
  return null;
}

/**
 * Rows like those that are known: each value is that of some row, or up to twice it, or missing.
 */
function rowsLike(known: Float64Array, width: number): Float64Array {
  const n = known.length / width;
  const rows = new Float64Array(comparedRows * width);
  rows.set(known.subarray(0, Math.min(known.length, rows.length)));
  for (let at = Math.min(known.length, rows.length); at < rows.length; at++) {
    // Multiples of the golden ratio: even, and the same everywhere.
    const part = (at * 0.618_033_988_749_894_9) % 1;
    const value = known[Math.floor(part * n) * width + (at % width)] as number;
    const kind = at % 13;
    rows[at] = kind === 5 ? Number.NaN : kind % 2 === 0 ? value : value * 2 * ((part * 31) % 1);
  }
  return rows;
}
