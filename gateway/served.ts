import type { Plan } from "../schemas/plan.ts";
import {
  type FeatureRead,
  type FeatureStores,
  readFeatureRows,
  type ViewRows,
} from "../serving/feature-rows.ts";
import { PastQueries } from "./past-queries.ts";

/** Behind a live view by no more than its commits and flushes take, a row is still FRESH, ms. */
const liveLagMs = 1_000;

/** What the doors show of an application. */
export class Served {
  /** As it runs now: strands that are cut over take their places in it. */
  readonly plans: readonly Plan[];
  readonly #stack: FeatureStores;
  readonly #now: () => number | null;

  /**
   * @param now - of a live run: UTC ms; null: of a replay, whose views say how far it is.
   * @param pastMost - queries of the past under way; one more is refused.
   */
  constructor(
    plans: readonly Plan[],
    stack: FeatureStores,
    now: () => number | null,
    pastMost = 64,
  ) {
    this.plans = plans;
    const { online } = stack;
    this.#stack = { online, offline: new PastQueries(stack.offline, pastMost) };
    this.#now = now;
  }

  /**
   * As `readFeatureRows`; GATEWAY_BUSY where too many ask for the past.
   *
   * @param at - null: now, or of a replay how far each view is.
   */
  features(
    reads: readonly FeatureRead[],
    at: number | null,
    maxLagMs: number | null,
  ): Promise<ViewRows[]> {
    const now = this.#now();
    const freshLagMs = maxLagMs ?? (now === null ? 0 : liveLagMs);
    return readFeatureRows(this.plans, this.#stack, { reads, at: at ?? now, freshLagMs });
  }
}
