export interface ScoringPoolOptions {
  /** Where the models are. */
  readonly artifacts: { readonly directory: string };
  /** Worker threads; 0: the calling thread scores, which blocks it meanwhile. @default 1 */
  readonly threads?: number;
  /**
   * A batch that is known to take its model no longer, ms, is scored on the calling thread though
   * there are threads: handing it over would cost more. @default 0: none is
   */
  readonly shortMs?: number;
  /**
   * Whether threads load ONNX Runtime as they start, while nobody waits, and not for their first
   * model. @default false
   */
  readonly warms?: boolean;
  /**
   * A run of a model that may take any time is ended after so long, ms: it hangs.
   * @default 60000
   */
  readonly runMs?: number;
  /** Until such a model is loaded, ms. @default 60000 */
  readonly loadMs?: number;
  /**
   * Whether such a model that hangs again and again is asked no more. A replay asks for every row:
   * what it answers must not depend on what came before. @default false
   */
  readonly givesUp?: boolean;
  /** Told of each run that was ended. @default nobody */
  readonly hung?: (artifact: string, reason: string) => void;
}

export const scoringPoolDefaults = Object.freeze({
  ...{ threads: 1, shortMs: 0, warms: false },
  ...{ runMs: 60_000, loadMs: 60_000, givesUp: false },
  hung: () => {},
});
