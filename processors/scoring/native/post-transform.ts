import { NotNative } from "./cells.ts";
import { expFloat } from "./exp-float.ts";

/** What a linear model or trees make of their scores, in place; in float, as onnxruntime does. */
export type PostTransform = (scores: Float32Array) => void;

const fround = Math.fround;

/** The logistic function in float, by the side on which exp cannot overflow. */
export function logisticFloat(value: number): number {
  const upper = fround(1 / fround(1 + expFloat(-Math.abs(value))));
  return value < 0 ? fround(1 - upper) : upper;
}

function softmax(scores: Float32Array): void {
  let most = -3.4028234663852886e38;
  for (const score of scores) if (score > most) most = score;
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    const each = expFloat(fround((scores[i] as number) - most));
    scores[i] = each;
    sum = fround(sum + each);
  }
  for (let i = 0; i < scores.length; i++) scores[i] = (scores[i] as number) / sum;
}

/** As softmax, but 0 stays 0. */
function softmaxZero(scores: Float32Array): void {
  let most = -3.4028234663852886e38;
  for (const score of scores) if (score > most) most = score;
  const small = expFloat(-most);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if (score > 1e-7 || score < -1e-7) {
      const each = expFloat(fround(score - most));
      scores[i] = each;
      sum = fround(sum + each);
    } else scores[i] = score * small;
  }
  for (let i = 0; i < scores.length; i++) scores[i] = (scores[i] as number) / sum;
}

function logistic(scores: Float32Array): void {
  for (let i = 0; i < scores.length; i++) scores[i] = logisticFloat(scores[i] as number);
}

/** @throws {NotNative} of PROBIT, which no converter writes. */
export function postTransform(name: string): PostTransform | null {
  if (name === "NONE") return null;
  if (name === "LOGISTIC") return logistic;
  if (name === "SOFTMAX") return softmax;
  if (name === "SOFTMAX_ZERO") return softmaxZero;
  throw new NotNative(`it transforms by ${name}`);
}
