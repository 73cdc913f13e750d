import { choleskyInPlace, solveCholesky } from "./cholesky.ts";

/** A linear model of the log-odds. */
export interface LogisticModel {
  readonly intercept: number;
  /** By column. */
  readonly weights: Float64Array;
  readonly iterations: number;
  /** Largest absolute component of the gradient of the mean loss at the end. */
  readonly gradient: number;
}

export interface LogisticOptions {
  /** L2 penalty λ: mean log loss + λ/2 · |weights|², the intercept left free. @default 1e-3 */
  readonly penalty?: number;
  /** Ends once no component of the gradient is larger. @default 1e-8 */
  readonly tolerance?: number;
  /** @default 200 */
  readonly maxIterations?: number;
}

/** Corrections that L-BFGS remembers. */
const memory = 10;

/**
 * Fits a logistic regression by L-BFGS whose first metric is the Cholesky factor of the Hessian at
 * the prior: correlated windows cost no extra iterations. Deterministic: no randomness, one order
 * of summation. Cost: one Gram matrix (n · d² / 2) and about 20 passes (2 · n · d).
 *
 * @param design - row-major, n × columns.
 * @see Nocedal and Wright, Numerical Optimization, algorithm 7.5
 */
export function fitLogisticRegression(
  design: Float64Array,
  labels: Uint8Array,
  columns: number,
  options: LogisticOptions = {},
): LogisticModel {
  const { penalty = 1e-3, tolerance = 1e-8, maxIterations = 200 } = options;
  const problem: Problem = { design, labels, columns, penalty };
  const size = columns + 1;
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const prior = Math.min(Math.max(positives / labels.length, 1e-6), 1 - 1e-6);
  let point = new Float64Array(size);
  point[columns] = Math.log(prior / (1 - prior));
  let gradient = new Float64Array(size);
  let loss = lossAndGradient(problem, point, gradient);
  const factor = priorHessian(problem, prior * (1 - prior));
  choleskyInPlace(factor, size);
  const history: Correction[] = [];
  let iterations = 0;
  while (iterations < maxIterations && largest(gradient) > tolerance) {
    iterations++;
    const direction = descentDirection(gradient, history, factor, size);
    const step = lineSearch(problem, point, loss, gradient, direction);
    if (step === null) break;
    history.push(correction(point, step.point, gradient, step.gradient));
    if (history.length > memory) history.shift();
    ({ point, gradient, loss } = step);
  }
  return {
    intercept: point[columns] as number,
    weights: point.slice(0, columns),
    iterations,
    gradient: largest(gradient),
  };
}

/** The probability that a model gives each row of a design, in double. */
export function fittedProbabilities(model: LogisticModel, design: Float64Array): Float64Array {
  const { intercept, weights } = model;
  const columns = weights.length;
  const n = columns === 0 ? 0 : design.length / columns;
  const probabilities = new Float64Array(n);
  for (let row = 0, from = 0; row < n; row++, from += columns) {
    let odds = intercept;
    for (let j = 0; j < columns; j++) {
      odds += (design[from + j] as number) * (weights[j] as number);
    }
    probabilities[row] = 1 / (1 + Math.exp(-odds));
  }
  return probabilities;
}

interface Problem {
  readonly design: Float64Array;
  readonly labels: Uint8Array;
  readonly columns: number;
  readonly penalty: number;
}

interface Correction {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly rho: number;
}

/** Mean log loss with penalty at `point` (weights, then the intercept); fills in its gradient. */
export function lossAndGradient(
  { design, labels, columns, penalty }: Problem,
  point: Float64Array,
  gradient: Float64Array,
): number {
  const n = labels.length;
  gradient.fill(0);
  let loss = 0;
  let residuals = 0;
  for (let row = 0, from = 0; row < n; row++, from += columns) {
    let odds = point[columns] as number;
    for (let j = 0; j < columns; j++) odds += (design[from + j] as number) * (point[j] as number);
    const label = labels[row] as number;
    // log(1 + e^odds) − label · odds, without overflow
    loss += Math.max(odds, 0) + Math.log1p(Math.exp(-Math.abs(odds))) - label * odds;
    const residual = 1 / (1 + Math.exp(-odds)) - label;
    residuals += residual;
    for (let j = 0; j < columns; j++) {
      gradient[j] = (gradient[j] as number) + residual * (design[from + j] as number);
    }
  }
  let squares = 0;
  for (let j = 0; j < columns; j++) {
    const weight = point[j] as number;
    gradient[j] = (gradient[j] as number) / n + penalty * weight;
    squares += weight * weight;
  }
  gradient[columns] = residuals / n;
  return loss / n + (penalty / 2) * squares;
}

/** variance · XᵀX / n + λI over (columns, intercept), lower triangle, row-major. */
function priorHessian({ design, labels, columns, penalty }: Problem, variance: number) {
  const n = labels.length;
  const size = columns + 1;
  const matrix = new Float64Array(size * size);
  for (let row = 0, from = 0; row < n; row++, from += columns) {
    for (let i = 0; i < columns; i++) {
      const value = design[from + i] as number;
      if (value === 0) continue;
      const at = i * size;
      for (let j = 0; j <= i; j++) {
        matrix[at + j] = (matrix[at + j] as number) + value * (design[from + j] as number);
      }
      matrix[columns * size + i] = (matrix[columns * size + i] as number) + value;
    }
  }
  matrix[columns * size + columns] = n;
  for (let i = 0; i < matrix.length; i++) matrix[i] = ((matrix[i] as number) * variance) / n;
  for (let i = 0; i < columns; i++) {
    matrix[i * size + i] = (matrix[i * size + i] as number) + penalty;
  }
  matrix[columns * size + columns] = (matrix[columns * size + columns] as number) + 1e-9;
  return matrix;
}

/** −H · gradient by the two-loop recursion. */
function descentDirection(
  gradient: Float64Array,
  history: readonly Correction[],
  factor: Float64Array,
  size: number,
): Float64Array {
  const direction = gradient.map((value) => -value);
  const alphas: number[] = [];
  for (let i = history.length - 1; i >= 0; i--) {
    const { step, change, rho } = history[i] as Correction;
    const alpha = rho * dot(step, direction);
    alphas[i] = alpha;
    addScaled(direction, change, -alpha);
  }
  solveCholesky(factor, size, direction);
  for (const [i, { step, change, rho }] of history.entries()) {
    const beta = rho * dot(change, direction);
    addScaled(direction, step, (alphas[i] as number) - beta);
  }
  return direction;
}

/** Halves the step until the loss falls enough (Armijo); null when it cannot fall any more. */
function lineSearch(
  problem: Problem,
  point: Float64Array,
  loss: number,
  gradient: Float64Array,
  direction: Float64Array,
): { point: Float64Array<ArrayBuffer>; gradient: Float64Array<ArrayBuffer>; loss: number } | null {
  const slope = dot(gradient, direction);
  if (!(slope < 0)) return null;
  for (let length = 1; length > 1e-10; length /= 2) {
    const next = Float64Array.from(point);
    addScaled(next, direction, length);
    const nextGradient = new Float64Array(point.length);
    const nextLoss = lossAndGradient(problem, next, nextGradient);
    // Near the end the loss no longer resolves the gain that the gradient still does.
    const rounding = Math.abs(loss) * 1e-14;
    if (nextLoss <= loss + 1e-4 * length * slope + rounding) {
      return { point: next, gradient: nextGradient, loss: nextLoss };
    }
  }
  return null;
}

function correction(
  from: Float64Array,
  to: Float64Array,
  gradientFrom: Float64Array,
  gradientTo: Float64Array,
): Correction {
  const step = to.map((value, i) => value - (from[i] as number));
  const change = gradientTo.map((value, i) => value - (gradientFrom[i] as number));
  return { step, change, rho: 1 / dot(step, change) };
}

function dot(left: Float64Array, right: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < left.length; i++) sum += (left[i] as number) * (right[i] as number);
  return sum;
}

function addScaled(target: Float64Array, source: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) {
    target[i] = (target[i] as number) + factor * (source[i] as number);
  }
}

function largest(values: Float64Array): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}
